"""Decoding: the prefix is read once, then each latent frame is one compiled program, exact and parallel.

A draw is a function of the logits and of a key that belongs to its place, so a code does not depend on how it was
found. Codes of a window are guessed, read in one forward, and drawn again from what the forward says: up to the first
guess that was wrong every draw is the one that reading code by code would have made, and the rest are better guesses
(Jacobi decoding; Song et al., arXiv 2002.03629; for images Teng et al., arXiv 2410.01699). A window of 1 is decoding
code by code.

State goes in and comes out whole, on the device: the host only dispatches, so progress, cancelling and streaming live
between latent frames and cost the device nothing.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct
from jax.typing import DTypeLike

from reelm.lm import transformer
from reelm.lm.cache import Cache
from reelm.lm.prefix import Prefix
from reelm.lm.sharding import hold
from reelm.lm.stream import Layout
from reelm.lm.transformer import LMConfig
from reelm.tokenizer.codes import ids_to_sub_tokens, sub_tokens_to_ids

from .choose import Controls, choose, guide
from .settings import Decoding

# On two CPU cores the shipped model was fastest at 8 among windows of 4 to 64 (benchmarks/parallel.py --window N).
# Elsewhere a forward over 64 codes reads the same weights as one over a single code.
_CPU_WINDOW, _WINDOW = 8, 64


def window_for(decoding: Decoding, wanted: int | None = None) -> int:
    """Codes to read in one forward: 1 for "sequential", otherwise `wanted`, or what suits the device."""
    if decoding == "sequential":
        return 1
    return wanted or (_CPU_WINDOW if jax.default_backend() == "cpu" else _WINDOW)


class DecodeState(struct.PyTreeNode):
    """Everything that moves while clips are decoded. R rows are B clips, or 2B with guidance (conditional rows first).

    Attributes:
        cache: prefix and codes read so far, `[R, S, N_kv, K]` a layer. Slots from `position` on hold what was guessed.
        next: sub-tokens int32 `[B, n]` of the code at `position`: drawn, not yet read.
        guesses: sub-tokens int32 `[B, N, n]`, what to try first in the next latent frame of N codes.
        position: int32 scalar, place of `next` among the codes after the prefix.
        origin: int32 scalar, place of the first of them in the whole endless stream; draws are keyed by that place.
        keys: random keys `[B]`, one a clip.
    """

    cache: Cache
    next: jax.Array
    guesses: jax.Array
    position: jax.Array
    origin: jax.Array
    keys: jax.Array


@partial(jax.jit, static_argnames=("config", "layout", "window", "guided", "dtype"))
def start(
    config: LMConfig,
    layout: Layout,
    window: int,
    guided: bool,
    dtype: DTypeLike,
    params: dict,
    prefix: Prefix,
    origin: jax.Array | int,
    keys: jax.Array,
    controls: Controls,
) -> DecodeState:
    """Reads prefixes into a new cache and draws the first code; see `decode_frame` for the rest.

    prefix: a row for each of the B clips that `keys` belong to, or one for each B / n clips that stand together; with
    guidance, as many rows again.
    origin: place of the first code in the whole stream.
    """
    # A window may reach past the last code: what it writes there is never read, but needs room.
    cache = transformer.empty_cache(config, prefix.words.shape[0], layout.slots + window - 1, dtype)
    hidden, cache = transformer.prefill(config, params, layout, prefix, cache, dtype)
    # Samples of one prompt share the reading of its prefix.
    rows = keys.shape[0] * (2 if guided else 1)
    hidden, cache = jax.tree.map(lambda leaf: jnp.repeat(leaf, rows // leaf.shape[0], axis=0), (hidden, cache))
    origin = jnp.asarray(origin, jnp.int32)
    first = _draw(config, layout, params, hidden[:, None], keys, origin, controls)
    return DecodeState(
        cache=cache,
        next=first[:, 0],
        guesses=jnp.repeat(first, layout.per_frame, axis=1),
        position=jnp.zeros((), jnp.int32),
        origin=origin,
        keys=keys,
    )


@partial(jax.jit, static_argnames=("config", "layout", "span"), donate_argnames="state")
def read_frame(
    config: LMConfig, layout: Layout, span: int, params: dict, state: DecodeState, ids: jax.Array, controls: Controls
) -> DecodeState:
    """Takes a latent frame int32 `[B, rows, columns]` that is known, in place of drawing it: one forward."""
    clips, size = ids.shape[0], layout.per_frame
    frame = ids_to_sub_tokens(ids.reshape(clips, size), config.code)
    hidden, cache = _extend(config, layout, span, params, state.cache, frame, state.position)
    drawn = _draw(config, layout, params, hidden[:, -1:], state.keys, state.origin + state.position + size, controls)
    return state.replace(
        cache=cache,
        next=drawn[:, 0],
        guesses=frame,
        position=state.position + size,
    )


class _Loop(NamedTuple):
    """Carry of the loop over one latent frame: `codes` `[B, N + W, n]`, of which the first `done` + 1 are final."""

    codes: jax.Array
    done: jax.Array
    cache: Cache
    forwards: jax.Array


@partial(jax.jit, static_argnames=("config", "layout", "window", "span"), donate_argnames="state")
def decode_frame(
    config: LMConfig, layout: Layout, window: int, span: int, params: dict, state: DecodeState, controls: Controls
) -> tuple[jax.Array, jax.Array, DecodeState]:
    """Decodes the next latent frame.

    Args:
        config, layout: static; the same for every frame, so one program serves them all.
        window: static; codes read in one forward, the same as for `start`. It changes the speed, never the codes (in
            float32, up to draws whose two best candidates nearly tie: matmuls of other shapes round differently).
        span: static; latent frames of the layout that are attended to, this one among them. Most clips are short, and
            the slots of a long one would be read for nothing.
        params: with unrolled layers.
        state: given away.
        controls: traced.

    Returns:
        ids int32 `[B, rows, columns]`, the number of forwards it took, and the state after them.
    """
    clips, size, n = *state.next.shape[:1], layout.per_frame, state.next.shape[-1]

    def forward(loop: _Loop) -> _Loop:
        tried = jax.lax.dynamic_slice_in_dim(loop.codes, loop.done, window, axis=1)
        first = state.position + loop.done
        hidden, cache = _extend(config, layout, span, params, loop.cache, tried, first)
        drawn = _draw(config, layout, params, hidden, state.keys, state.origin + first + 1, controls)
        right = jnp.all(drawn[:, :-1] == tried[:, 1:], axis=(0, 2))
        # All clips of a batch go on together, by what is right in each of them.
        read = 1 + jnp.sum(jnp.cumprod(right))
        return _Loop(
            codes=jax.lax.dynamic_update_slice_in_dim(loop.codes, drawn, loop.done + 1, axis=1),
            done=jnp.minimum(loop.done + read, size).astype(jnp.int32),
            cache=cache,
            forwards=loop.forwards + 1,
        )

    codes = jnp.concatenate(
        [state.next[:, None], state.guesses[:, 1:], jnp.zeros((clips, window, n), jnp.int32)], axis=1
    )
    loop = _Loop(codes, jnp.zeros((), jnp.int32), state.cache, jnp.zeros((), jnp.int32))
    loop = jax.lax.while_loop(lambda loop: loop.done < size, forward, loop)
    frame = loop.codes[:, :size]
    state = state.replace(
        cache=loop.cache,
        next=loop.codes[:, size],
        guesses=frame,  # most places look as they did one latent frame before
        position=state.position + size,
    )
    ids = sub_tokens_to_ids(frame, config.code).reshape(clips, layout.rows, layout.columns)
    return ids, loop.forwards, state


def _extend(
    config: LMConfig, layout: Layout, span: int, params: dict, cache: Cache, codes: jax.Array, first: jax.Array
) -> tuple[jax.Array, Cache]:
    """`transformer.extend` by the codes `[B, W, n]` of clips, read by every row of theirs."""
    rows, slots = cache[0].keys.shape[:2]
    codes = jnp.concatenate([codes] * (rows // codes.shape[0]))
    # A window may look past the last code it attends to, by what it guesses.
    seen = min(slots, layout.before + span * layout.per_frame + codes.shape[1] - 1)
    return transformer.extend(config, params, layout, codes, first, cache, seen, cache[0].keys.dtype)


def _draw(
    config: LMConfig,
    layout: Layout,
    params: dict,
    hidden: jax.Array,
    keys: jax.Array,
    first: jax.Array,
    controls: Controls,
) -> jax.Array:
    """Sub-tokens int32 `[B, W, n]` of the codes at first ... first + W - 1 of the stream, from hidden `[R, W, D]`."""
    clips, window = keys.shape[0], hidden.shape[1]
    guided = hidden.shape[0] > clips
    places = first + jnp.arange(window)
    scale = controls.cfg_scale[jnp.minimum(places // layout.per_frame, controls.cfg_scale.shape[0] - 1), None]
    of_places = jax.vmap(lambda key: jax.vmap(partial(jax.random.fold_in, key))(places))(keys)  # [B, W]
    sub_tokens = jnp.zeros((*hidden.shape[:2], len(config.code.split)), jnp.int32)
    for k in range(len(config.code.split)):
        logits = hold(transformer.logits(config, params, hidden, sub_tokens, k), "batch", None, None)
        logits = guide(logits, scale) if guided else logits
        of_draws = jax.vmap(partial(jax.random.fold_in, data=k))(of_places.reshape(-1))
        values = choose(logits.reshape(clips * window, -1), of_draws, controls).reshape(clips, window)
        sub_tokens = sub_tokens.at[..., k].set(jnp.concatenate([values, values]) if guided else values)
    return sub_tokens[:clips]
