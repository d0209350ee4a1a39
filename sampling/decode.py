"""Decoding: the prefix is read once, then each latent frame's codes are one compiled program, exact and parallel.

A draw is a function of the logits and of a key that belongs to its place, so a code does not depend on how it was
found. Codes of a window are guessed, read in one forward, and drawn again from what the forward says: up to the first
guess that was wrong every draw is the one that reading code by code would have made, and the rest are better guesses
(Jacobi decoding; Song et al., arXiv 2002.03629; for images Teng et al., arXiv 2410.01699). A window of 1 is decoding
code by code.

A latent frame is its picture, then its sound. Either is drawn by `decode`, or taken by `read` where it is known: a clip
that gets a sound has its pictures read and its sound drawn. State goes in and comes out whole, on the device: the host
only dispatches, so progress, cancelling and streaming live between these programs and cost the device nothing.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct
from jax.typing import DTypeLike

from reelm.lm import head, transformer
from reelm.lm.cache import Cache
from reelm.lm.config import LMConfig
from reelm.lm.prefix import Prefix
from reelm.lm.sharding import hold
from reelm.lm.stream import Group, Layout
from reelm.lm.transformer import Line
from reelm.tokenizer.codes import ids_to_sub_tokens, sub_tokens_to_ids

from .choose import Controls, choose, guide, noise_of
from .settings import Decoding

# What was fastest of 1 to 16 with the shipped model on two CPU cores, where each code of a window costs time: sound is
# harder to guess. Elsewhere a forward over 64 codes reads the same weights as one over a single code.
_CPU_WINDOWS: dict[Group, int] = {"video": 12, "sound": 4}
_WINDOWS: dict[Group, int] = {"video": 64, "sound": 64}


def windows_for(decoding: Decoding, wanted: int | None = None) -> dict[Group, int]:
    """Codes of each group to read in one forward: 1 for "sequential", else `wanted`, or what suits the device."""
    if decoding == "sequential":
        wanted = 1
    usual = _CPU_WINDOWS if jax.default_backend() == "cpu" else _WINDOWS
    return {group: wanted or codes for group, codes in usual.items()}


def span_for(frame: int, most: int) -> int:
    """Latent frames of a window of `most` to attend to while its frame `frame` is made; each number is one program."""
    # On a CPU another program takes longer to compile than reading fewer slots saves.
    return most if jax.default_backend() == "cpu" else min(1 << frame.bit_length(), most)


class DecodeState(struct.PyTreeNode):
    """Everything that moves while clips are decoded. R rows are B clips, or 2B with guidance (conditional rows first).

    Attributes:
        line: where the codes stand.
        cache: prefix and codes read so far, `[R, S, N_kv, K]` a layer. Slots from `position` on hold what was guessed.
        hidden: `[R, D]`, what predicts the code at `position`.
        guesses: group -> sub-tokens int32 `[B, N, n]`, what to try first in the next latent frame; -1 for no idea.
        position: int32 scalar, number of codes read.
        origin: int32 scalar, place of the first of them in the whole endless stream; draws are keyed by that place.
        keys: random keys `[B]`, one a clip.
    """

    line: Line
    cache: Cache
    hidden: jax.Array
    guesses: dict[Group, jax.Array]
    position: jax.Array
    origin: jax.Array
    keys: jax.Array

    def held(self) -> "DecodeState":
        """On a mesh all in its place, the same after each program: in another place it would compile the next anew."""
        by_clip = {"hidden": self.hidden, "guesses": self.guesses, "keys": self.keys}
        whole = {"line": self.line, "position": self.position, "origin": self.origin}
        return self.replace(
            **jax.tree.map(lambda leaf: hold(leaf, "batch", *[None] * (leaf.ndim - 1)), by_clip),
            **jax.tree.map(lambda leaf: hold(leaf, *[None] * leaf.ndim), whole),
        )


@partial(jax.jit, static_argnames=("config", "layout", "slots", "window", "guided", "dtype"))
def start(
    config: LMConfig,
    layout: Layout,
    slots: int,
    window: int,
    guided: bool,
    dtype: DTypeLike,
    params: dict,
    prefix: Prefix,
    origin: jax.Array | int,
    keys: jax.Array,
) -> DecodeState:
    """Reads prefixes into a new cache; see `decode` for the rest.

    layout: static; of this very window.
    slots: static; of the layout that `decode` is given.
    window: static; the widest that `decode` is given.
    prefix: a row for each of the B clips that `keys` belong to, or one for each B / n clips that stand together; with
    guidance, as many rows again.
    origin: place of the first code in the whole stream.
    """
    # A window may reach past the last code: what it writes there is never read, but needs room.
    slots += window - 1
    cache = transformer.empty_cache(config, prefix.words.shape[0], slots, dtype)
    hidden, cache = transformer.prefill(config, params, layout, prefix, cache, dtype)
    # Samples of one prompt share the reading of its prefix.
    clips = keys.shape[0]
    rows = clips * (2 if guided else 1)
    hidden, cache = jax.tree.map(lambda leaf: jnp.repeat(leaf, rows // leaf.shape[0], axis=0), (hidden, cache))
    most: dict[Group, int] = {"video": layout.per_picture}
    if config.sound_levels:
        most["sound"] = layout.sound[1]
    return DecodeState(
        line=Line.of(config, layout, slots),
        cache=cache,
        hidden=hidden,
        guesses={group: jnp.full((clips, n, len(config.split(group))), -1, jnp.int32) for group, n in most.items()},
        position=jnp.zeros((), jnp.int32),
        origin=jnp.asarray(origin, jnp.int32),
        keys=keys,
    ).held()


@partial(jax.jit, static_argnames=("config", "layout", "span", "group"), donate_argnames="state")
def read(
    config: LMConfig, layout: Layout, span: int, group: Group, params: dict, state: DecodeState, codes: jax.Array
) -> DecodeState:
    """Takes the next codes of a group, which are known, in place of drawing them; their shape is as from `decode`."""
    codes = ids_to_sub_tokens(codes.reshape(codes.shape[0], -1), config.code) if group == "video" else codes
    hidden, cache = _extend(config, layout, span, group, params, state.line, state.cache, codes, state.position)
    return state.replace(
        cache=cache,
        hidden=hidden[:, -1],
        guesses=state.guesses | {group: jax.lax.dynamic_update_slice(state.guesses[group], codes, (0, 0, 0))},
        position=state.position + codes.shape[1],
    ).held()


class _Loop(NamedTuple):
    """Carry of the loop over a group's codes: `codes` `[B, N + W, n]`, of which the first `done` + 1 are final."""

    codes: jax.Array
    done: jax.Array
    hidden: jax.Array
    cache: Cache
    forwards: jax.Array


def decode(
    config: LMConfig,
    layout: Layout,
    span: int,
    window: int,
    group: Group,
    params: dict,
    state: DecodeState,
    size: int,
    controls: Controls,
) -> tuple[jax.Array, jax.Array, DecodeState]:
    """Draws the next codes of a group: the picture of a latent frame, or the sound beside it.

    Args:
        config: static.
        layout: static; of the window, or any of the same stream that takes as many slots or more. `state` says where
            things are, so one program serves all frames of all windows.
        span: static; latent frames of the layout that are attended to, this one among them, as by `span_for`. All that
            lies behind would be read for nothing.
        window: static; codes read in one forward, at most as for `start`. It changes the speed, never the codes (in
            float32, up to draws whose two best candidates nearly tie: matmuls of other shapes round differently).
        group: static.
        params: with unrolled layers.
        state: given away.
        size: how many codes, at most the N of `state.guesses`. Static for a window of 1, otherwise traced.
        controls: traced.

    Returns:
        int32 `[B, rows, columns]` of a picture or `[B, N, L]` of sound, of which the first `size` audio frames are
        meant; the number of forwards it took; the state after them.
    """
    # A GPU asks the host after each turn of a loop whose length its program does not know. Sound has two lengths.
    turns = size if window == 1 else None
    return decode_program(config, layout, span, window, group, turns, params, state, size, controls)


@partial(jax.jit, static_argnames=("config", "layout", "span", "window", "group", "turns"), donate_argnames="state")
def decode_program(
    config: LMConfig,
    layout: Layout,
    span: int,
    window: int,
    group: Group,
    turns: int | None,
    params: dict,
    state: DecodeState,
    size: jax.Array | int,
    controls: Controls,
) -> tuple[jax.Array, jax.Array, DecodeState]:
    """The program of `decode`; turns: static, of its loop, where a turn is sure to find one code."""
    guesses = state.guesses[group]
    clips, most, n = guesses.shape
    # Made once: parallel decoding draws a code as often as it stands in the window.
    places = state.origin + state.position + jnp.arange(most + window)
    noise = noise_of(state.keys, places, config.split(group))
    scales = controls.cfg_scale[jnp.minimum(layout.frame_at(places), controls.cfg_scale.shape[0] - 1)]

    def draw(hidden: jax.Array, first: jax.Array | int) -> jax.Array:
        """Sub-tokens int32 `[B, W, n]` of the codes first ... first + W - 1 of this group, from hidden `[R, W, D]`."""

        def here(leaf: jax.Array, axis: int) -> jax.Array:
            return jax.lax.dynamic_slice_in_dim(leaf, first, hidden.shape[1], axis)

        noise_here = [here(of_value, 1) for of_value in noise]
        return _draw(config, group, params, hidden, noise_here, here(scales, 0)[:, None], controls)

    def forward(loop: _Loop) -> _Loop:
        tried = jax.lax.dynamic_slice_in_dim(loop.codes, loop.done, window, axis=1)
        first = state.position + loop.done
        hidden, cache = _extend(config, layout, span, group, params, state.line, loop.cache, tried, first)
        drawn = draw(hidden, loop.done + 1)
        right = jnp.all(drawn[:, :-1] == tried[:, 1:], axis=(0, 2))
        # All clips of a batch go on together, by what is right in each of them.
        done = jnp.minimum(loop.done + 1 + jnp.sum(jnp.cumprod(right)), size).astype(jnp.int32)
        return _Loop(
            codes=jax.lax.dynamic_update_slice_in_dim(loop.codes, drawn, loop.done + 1, axis=1),
            done=done,
            hidden=jax.lax.dynamic_index_in_dim(hidden, done - loop.done - 1, axis=1, keepdims=False),
            cache=cache,
            forwards=loop.forwards + 1,
        )

    first = draw(state.hidden[:, None], 0)
    # Without an idea, the first code is the first guess everywhere.
    guesses = jnp.where(guesses < 0, first, guesses)
    codes = jnp.concatenate([first, guesses[:, 1:], jnp.zeros((clips, window, n), jnp.int32)], axis=1)
    none = jnp.zeros((), jnp.int32)
    loop = _Loop(codes, none, state.hidden, state.cache, none)
    if turns is None:
        loop = jax.lax.while_loop(lambda loop: loop.done < size, forward, loop)
    else:
        loop = jax.lax.fori_loop(0, turns, lambda _, loop: forward(loop), loop)
    drawn = loop.codes[:, :most]
    state = state.replace(
        cache=loop.cache,
        hidden=loop.hidden,
        guesses=state.guesses | {group: drawn},  # most places look as they did one latent frame before
        position=state.position + size,
    ).held()
    if group == "video":
        drawn = sub_tokens_to_ids(drawn, config.code).reshape(clips, layout.rows, layout.columns)
    return drawn, loop.forwards, state


def _extend(
    config: LMConfig,
    layout: Layout,
    span: int,
    group: Group,
    params: dict,
    line: Line,
    cache: Cache,
    codes: jax.Array,
    first: jax.Array,
) -> tuple[jax.Array, Cache]:
    """`transformer.extend` by the codes `[B, W, n]` of clips, read by every row of theirs."""
    rows, slots = cache[0].keys.shape[:2]
    codes = jnp.concatenate([codes] * (rows // codes.shape[0]))
    # A window may look past the last code it attends to, by what it guesses.
    seen = min(slots, layout.before + layout.end(span) + codes.shape[1] - 1)
    x = head.embed_codes(config, params, group, codes, cache[0].keys.dtype)
    return transformer.extend(config, params, line, x, first, cache, seen)


def _draw(
    config: LMConfig,
    group: Group,
    params: dict,
    hidden: jax.Array,
    noise: Sequence[jax.Array],
    scale: jax.Array,
    controls: Controls,
) -> jax.Array:
    """Sub-tokens int32 `[B, W, n]` from hidden `[R, W, D]`, noise `[B, W, 2^bits]` each, guidance `[W, 1]`."""
    guided = hidden.shape[0] > noise[0].shape[0]
    sub_tokens = jnp.zeros((*hidden.shape[:2], len(noise)), jnp.int32)
    for k, of_value in enumerate(noise):
        logits = hold(head.logits(config, params, group, hidden, sub_tokens, k), "batch", None, None)
        values = choose(guide(logits, scale) if guided else logits, of_value, controls)
        sub_tokens = sub_tokens.at[..., k].set(jnp.concatenate([values, values]) if guided else values)
    return sub_tokens[: noise[0].shape[0]]
