"""The likelihood of a clip: the cross entropy that training minimises and that scores clips."""

from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.lm.net.config import LMConfig
from reelm.lm.net.fused_attention import Kernel
from reelm.lm.net.head import code_head, of_group
from reelm.lm.net.transformer import Remat, forward_all
from reelm.tokenizer.codes import ids_to_sub_tokens

from .prefix import ClipCodes, Prefix
from .sharding import constrain, gather
from .specials import Group


class Nats(NamedTuple):
    """Cross entropy of the codes of R clips, float32.

    Attributes:
        video: `[R, t, h, w]`.
        sound: `[R, S, L]`, of each level of an audio frame; 0 where there is no track.
        squares: mean squared log-normaliser of the distributions of sub-tokens, for the z-loss.
    """

    video: jax.Array
    sound: jax.Array
    squares: jax.Array


def cross_entropy(
    config: LMConfig,
    params: dict,
    prefix: Prefix,
    codes: ClipCodes,
    *,
    inputs: ClipCodes | None = None,
    dtype: DTypeLike = jnp.float32,
    attention: Kernel = "xla",
    remat: Remat = "full",
) -> Nats:
    """Return the cross entropy of each code, given the prefix and all codes before it.

    Args:
        config: sizes of the net.
        params: with stacked layers; under a mesh, as `parameters.for_training` returns them.
        prefix: of R rows.
        codes: of R clips.
        inputs: codes that the net reads in place of `codes`, such as corrupted ones.
        dtype: number format of activations.
        attention, remat: see `transformer.forward_all`.
    """
    layout = config.layout_of(codes, prefix)
    hidden = forward_all(config, params, layout, prefix, inputs or codes, dtype, attention=attention, remat=remat)

    def measured(group: Group, hidden: jax.Array, sub_tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
        module, own = code_head(config, group, dtype), gather(of_group(params, group)["head"])
        of_sub_tokens = cast(list, module.apply({"params": own}, hidden, sub_tokens))
        nats, squares = [], jnp.zeros(sub_tokens.shape[:2])
        for k, logits in enumerate(of_sub_tokens):
            normaliser = jax.nn.logsumexp(logits, axis=-1)
            nats.append(normaliser - jnp.take_along_axis(logits, sub_tokens[..., k, None], axis=-1)[..., 0])
            squares += jnp.square(normaliser)
        return jnp.stack(nats, axis=-1), squares

    rows = codes.video.shape[0]
    sub_tokens = ids_to_sub_tokens(jnp.asarray(codes.video).reshape(rows, -1), config.code)
    if not config.sound_levels:
        video, squares = measured("video", hidden, sub_tokens)
        return Nats(_of_codes(video, codes), jnp.zeros((rows, 0, 0)), jnp.mean(squares))
    of_video, of_sound = (constrain(part, "batch", "slots", None) for part in layout.separate(hidden))
    sound_ids = jnp.asarray(codes.sound)
    track = sound_ids[..., 0] >= 0
    video, squares = measured("video", of_video, sub_tokens)
    sound, more = measured("sound", of_sound, jnp.maximum(sound_ids, 0))
    squares = (jnp.sum(squares) + jnp.sum(more * track)) / (squares.size + jnp.sum(track))
    return Nats(_of_codes(video, codes), sound * track[..., None], squares)


def _of_codes(sub_tokens: jax.Array, codes: ClipCodes) -> jax.Array:
    """Return the nats of codes, `[R, t, h, w]`, from those of their sub-tokens, `[R, t h w, K]`."""
    return jnp.sum(sub_tokens, axis=-1).reshape(codes.video.shape)
