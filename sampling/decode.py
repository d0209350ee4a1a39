"""Decoding: the prefix is read once, then each latent frame is one compiled program of a loop over its codes.

State goes in and comes out whole, on the device: the host only dispatches, so progress, cancelling and streaming live
between latent frames and cost the device nothing.
"""

from functools import partial

import jax
import jax.numpy as jnp
from flax import struct
from jax.typing import DTypeLike

from reelm.lm import transformer
from reelm.lm.cache import Cache
from reelm.lm.stream import Layout
from reelm.lm.transformer import LMConfig
from reelm.tokenizer.codes import sub_tokens_to_ids

from .choose import Controls, choose, guide


class DecodeState(struct.PyTreeNode):
    """Everything that moves while clips are decoded. R rows are B clips, or 2B with guidance (conditional rows first).

    Attributes:
        cache: prefix and codes read so far, `[R, S, N_kv, K]` a layer.
        hidden: `[R, D]`, predicts the next code.
        position: int32 scalar, place of the next code in the clip.
        keys: random keys `[B]`, one a clip.
    """

    cache: Cache
    hidden: jax.Array
    position: jax.Array
    keys: jax.Array


@partial(jax.jit, static_argnames=("config", "layout", "dtype"))
def start(
    config: LMConfig, layout: Layout, dtype: DTypeLike, params: dict, prefix: jax.Array, keys: jax.Array
) -> DecodeState:
    """Reads prefixes int32 `[R, P]` into a new cache of `layout.slots` slots."""
    cache = transformer.empty_cache(config, prefix.shape[0], layout.slots, dtype)
    hidden, cache = transformer.prefill(config, params, layout, prefix, cache, dtype)
    return DecodeState(cache=cache, hidden=hidden, position=jnp.zeros((), jnp.int32), keys=keys)


@partial(jax.jit, static_argnames=("config", "layout"), donate_argnames="state")
def decode_frame(
    config: LMConfig, layout: Layout, params: dict, state: DecodeState, controls: Controls
) -> tuple[jax.Array, DecodeState]:
    """Decodes the next latent frame.

    Args:
        config, layout: static; the same for every frame, so one program serves them all.
        params: with unrolled layers.
        state: given away.
        controls: traced.

    Returns:
        ids int32 `[B, rows, columns]`, and the state after them.
    """
    clips = state.keys.shape[0]
    guided = state.hidden.shape[0] > clips

    def one_code(i: jax.Array, carry: tuple[jax.Array, DecodeState]) -> tuple[jax.Array, DecodeState]:
        ids, state = carry
        keys = jax.vmap(partial(jax.random.fold_in, data=state.position))(state.keys)
        sub_tokens = jnp.zeros((state.hidden.shape[0], len(config.code.split)), jnp.int32)
        for k in range(len(config.code.split)):
            logits = transformer.logits(config, params, state.hidden, sub_tokens, k)
            logits = guide(logits, controls.cfg_scale) if guided else logits
            value = choose(logits, jax.vmap(partial(jax.random.fold_in, data=k))(keys), controls)
            sub_tokens = sub_tokens.at[:, k].set(jnp.concatenate([value, value]) if guided else value)
        hidden, cache = transformer.extend(
            config, params, layout, sub_tokens[:, None], state.position, state.cache, layout.slots, state.hidden.dtype
        )
        state = state.replace(cache=cache, hidden=hidden[:, -1], position=state.position + 1)
        return ids.at[:, i].set(sub_tokens_to_ids(sub_tokens[:clips], config.code)), state

    ids = jnp.zeros((clips, layout.per_frame), jnp.int32)
    ids, state = jax.lax.fori_loop(0, layout.per_frame, one_code, (ids, state))
    return ids.reshape(clips, layout.rows, layout.columns), state
