"""How likely a clip is: the cross entropy that training descends on, and that scores a clip."""

from typing import cast

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.tokenizer.codes import ids_to_sub_tokens

from .fused_attention import Kernel
from .prefix import Prefix
from .stream import Layout
from .transformer import LMConfig, Remat, head, score


def cross_entropy(
    config: LMConfig,
    params: dict,
    prefix: Prefix,
    ids: jax.Array,
    *,
    seen: jax.Array | None = None,
    dtype: DTypeLike = jnp.float32,
    attention: Kernel = "xla",
    remat: Remat = "full",
) -> tuple[jax.Array, jax.Array]:
    """Of each code, given the prefix and all codes before it.

    Args:
        params: with stacked layers; under a mesh, as `weights.for_training` gives them.
        prefix: of R rows.
        ids: int32 `[R, t, h, w]`.
        seen: int32 `[R, t, h, w]`, what the net reads as the codes before, when that is not `ids` itself.
        attention, remat: see `transformer.score`.

    Returns:
        nats float32 `[R, t, h, w]`, and the mean squared log-normaliser of the sub-tokens' distributions (for z-loss).
    """
    rows = ids.shape[0]
    layout = Layout(config.prefix, *ids.shape[1:], given=prefix.kinds.shape[1])
    sub_tokens, read = (
        ids_to_sub_tokens(codes.reshape(rows, -1), config.code) for codes in (ids, ids if seen is None else seen)
    )
    hidden = score(config, params, layout, prefix, read, dtype, attention=attention, remat=remat)
    of_sub_tokens = cast(list, head(config, dtype).apply({"params": params["head"]}, hidden, sub_tokens))
    nats, squares = jnp.zeros(sub_tokens.shape[:2]), jnp.zeros(())
    for k, logits in enumerate(of_sub_tokens):
        normaliser = jax.nn.logsumexp(logits, axis=-1)
        nats += normaliser - jnp.take_along_axis(logits, sub_tokens[..., k, None], axis=-1)[..., 0]
        squares += jnp.mean(jnp.square(normaliser))
    return nats.reshape(ids.shape), squares
