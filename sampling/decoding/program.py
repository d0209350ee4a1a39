"""Decoding one latent frame: its picture and its sound, each drawn by one compiled program, in parallel and exactly.

A draw depends on the logits and on a key that belongs to the code's position, so a code does not depend on how it was
found. The next codes are guessed, read in one forward pass, and drawn again from its logits. Up to the first wrong
guess, each draw is the one that code-by-code decoding would make. The rest are better guesses (Jacobi decoding; Song et
al., arXiv 2002.03629; for images Teng et al., arXiv 2410.01699). A lookahead of 1 decodes code by code. Each clip of a
batch goes on as far as its own guesses are right, and may be anywhere in its window.

Given codes are read instead of drawn: a clip that gets a sound has its pictures read and its sound drawn. The state
goes in and comes out whole, on the device, and the host only dispatches. Progress, cancelling and streaming happen
between these programs and cost the device nothing. The net is imported where it is traced: a program that was kept on
disk runs without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reelm.device import device
from reelm.lm.layout import Layout, filled_up
from reelm.lm.net.cache import Cache
from reelm.lm.net.config import LMConfig
from reelm.lm.net.rotary import row_slices
from reelm.lm.sharding import constrain, constrain_rows
from reelm.lm.specials import Group
from reelm.programs.program import program
from reelm.sampling.options import Decoding
from reelm.tokenizer.codes import ids_to_sub_tokens, sub_tokens_to_ids

from .choose import SamplingParams, at_frames, draw, noise_of
from .state import DecodeState, control_of_rows

# The fastest of 1 to 24 with the shipped model on two CPU cores, where each code costs time; most guesses of sound are
# wrong. On other devices a forward pass over 64 codes reads the same weights as one over a single code.
_CPU_LOOKAHEAD: dict[Group, int] = {"video": 12, "sound": 1}
_LOOKAHEAD: dict[Group, int] = {"video": 64, "sound": 64}
# From this number of clips on a CPU is always busy, and a wrong guess takes time from the other clips.
_MANY_CLIPS = 4
_CPU_LOOKAHEAD_OF_MANY = 8


class _Loop(NamedTuple):
    """Carry of the loop over a group's codes.

    Attributes:
        codes: sub-tokens int32 `[B, 1 + N + W, n]`: an empty place, then the codes, the first `done` of them final. -1
            where there is no guess yet.
        done: int32 `[B]`, number of final codes.
        cache: KV cache of the final codes, except the last.
        forwards: int32 `[B]`, number of forward passes.
    """

    codes: jax.Array
    done: jax.Array
    cache: Cache
    forwards: jax.Array


@dataclass(frozen=True)
class FrameProgram:
    """The static part of decoding the codes of one group in one latent frame. Equal programs compile once.

    Attributes:
        config: sizes of the language model.
        layout: of the window, or any of the same stream with at least as many slots. The state holds the positions of
            codes, so one program serves all frames of all windows.
        span: latent frames of the layout that are attended to, this one included, as from `span_for`. Later slots are
            still empty. With None the program finds out which slots are filled.
        group: "video" for the picture of a latent frame, "sound" for its sound.
        lookahead: codes read in one forward pass, at most that of `Prefill`; fewer where many clips are drawn on a CPU.
            It changes the speed, never the codes (in float32, except where a draw's two best values nearly tie: matmuls
            of other shapes round differently).
    """

    config: LMConfig
    layout: Layout
    span: int | None
    group: Group
    lookahead: int = 1

    def draw(
        self, params: dict, state: DecodeState, sizes: np.ndarray, sampling: SamplingParams
    ) -> tuple[jax.Array, jax.Array, DecodeState]:
        """Draw the next codes of the group.

        Args:
            params: with unrolled layers.
            state: donated; do not use it again.
            sizes: int32 `[B]`, number of codes of each clip, at most the N of `state.guesses`.
            sampling: parameters of each clip, traced.

        Returns:
            Ids int32 `[B, rows, columns]` of a picture, as a device holds them, or codes `[B, N, L]` of sound, of which
            the first `sizes` audio frames count; the numbers of forward passes int32 `[B]`; the state after them.
        """
        one = self._for_clips(len(sizes))
        return one.draw_program(one._passes(sizes), params, state, sizes, sampling)

    def prepare(self, params: dict, state: DecodeState, sizes: np.ndarray, sampling: SamplingParams) -> None:
        """Begin to compile `draw`; all arguments but the sizes may be shapes."""
        one = self._for_clips(len(sizes))
        one.draw_program.prepare(one._passes(sizes), params, state, sizes, sampling)

    def _for_clips(self, clips: int) -> "FrameProgram":
        if not device().extra_codes_cost or clips < _MANY_CLIPS:
            return self
        return replace(self, lookahead=min(self.lookahead, _CPU_LOOKAHEAD_OF_MANY))

    def _passes(self, sizes: np.ndarray) -> int | None:
        # Each number compiles another program. There are few: one for pictures, and two for the two lengths of sound.
        return int(sizes.max()) if self.lookahead == 1 and device().static_programs else None

    @program(static=("self", "passes"), donate=("state",))
    def draw_program(
        self, passes: int | None, params: dict, state: DecodeState, sizes: jax.Array, sampling: SamplingParams
    ) -> tuple[jax.Array, jax.Array, DecodeState]:
        """Run the compiled part of `draw`; `passes` is the static length of its loop, one code a forward pass."""
        guesses = state.guesses[self.group]
        clips, most, n = guesses.shape
        # Noise is made once: parallel decoding draws a code several times.
        positions = state.stream_positions(most + self.lookahead)
        noise = noise_of(state.keys, positions, self.config.split(self.group))
        frames = self.layout.frame_at(positions)
        scales, least = at_frames(sampling.cfg_scale, frames), at_frames(sampling.min_p, frames)
        # A lookahead may reach past the last code.
        asked = self._control(params, state, most + self.lookahead)

        def forward(loop: _Loop) -> _Loop:
            def here(leaf: jax.Array) -> jax.Array:
                return row_slices(leaf, loop.done, self.lookahead)

            # The first code is final, the others are guesses.
            tried = here(loop.codes)
            inputs = self._inputs(params, state, tried)
            begun = state.of_rows(loop.done > 0)[:, None]
            inputs = inputs.at[:, 0].set(jnp.where(begun, inputs[:, 0], state.last))
            control = None if asked is None else row_slices(asked, state.of_rows(loop.done), self.lookahead)
            hidden, cache = self._extend(params, state, loop.cache, inputs, state.position + loop.done, control)
            noise_here = [here(each) for each in noise]
            drawn = self._draw(params, hidden, noise_here, here(scales), here(least), sampling)
            right = jnp.all(drawn[:, :-1] == tried[:, 1:], axis=2)
            found = 1 + jnp.sum(jnp.cumprod(right, axis=1), axis=1)
            codes = jax.vmap(partial(jax.lax.dynamic_update_slice_in_dim, axis=0))(loop.codes, drawn, loop.done + 1)
            # Where there is no guess yet, the code just drawn is the guess.
            codes = jnp.where(codes < 0, drawn[:, :1], codes)
            # A clip that has all its codes waits for the others. Its guesses stay, so they do not depend on the batch.
            under_way = loop.done < sizes
            codes = jnp.where(under_way[:, None, None], codes, loop.codes)
            done = jnp.minimum(loop.done + found, sizes)
            return _Loop(codes, done, cache, loop.forwards + under_way)

        codes = jnp.pad(guesses, ((0, 0), (1, self.lookahead), (0, 0)))
        none = jnp.zeros(clips, jnp.int32)
        loop = _Loop(codes, none, state.cache, none)
        if passes is None:
            loop = jax.lax.while_loop(lambda loop: jnp.any(loop.done < sizes), forward, loop)
        else:
            loop = jax.lax.fori_loop(0, passes, lambda _, loop: forward(loop), loop)
        drawn = loop.codes[:, 1 : 1 + most]
        last = self._inputs(params, state, row_slices(loop.codes, sizes, 1))[:, 0]
        # Most codes equal those of the latent frame before, so these are the next guesses.
        state = settled(state.after(self.group, drawn, count=sizes, last=last, cache=loop.cache))
        if self.group == "video":
            ids = sub_tokens_to_ids(drawn, self.config.code)
            drawn = ids.reshape(clips, self.layout.rows, self.layout.columns, *ids.shape[2:])
        return drawn, loop.forwards, state

    @program(static=("self",), donate=("state",))
    def read(self, params: dict, state: DecodeState, codes: jax.Array) -> DecodeState:
        """Return the state after given codes of the group, read instead of drawn; their shape is as in `draw`."""
        if self.group == "video":
            codes = ids_to_sub_tokens(codes.reshape(codes.shape[0], -1, *codes.shape[3:]), self.config.code)
        inputs = self._inputs(params, state, codes)
        count = jnp.full(codes.shape[0], codes.shape[1], jnp.int32)
        before = jnp.concatenate([state.last[:, None], inputs[:, :-1]], axis=1)
        control = self._control(params, state, before.shape[1])
        _, cache = self._extend(params, state, state.cache, before, state.position, control)
        guesses = jax.lax.dynamic_update_slice(state.guesses[self.group], codes, (0, 0, 0))
        return settled(state.after(self.group, guesses, count=count, last=inputs[:, -1], cache=cache))

    def _inputs(self, params: dict, state: DecodeState, codes: jax.Array) -> jax.Array:
        """Return the inputs `[R, W, D]` of the slots of codes `[B, W, n]`, in every row of each clip."""
        from reelm.lm.net.embed import embed_codes

        return embed_codes(self.config, params, self.group, state.of_rows(codes), state.last.dtype)

    def _control(self, params: dict, state: DecodeState, length: int) -> jax.Array | None:
        """Return the control field `[R, length, D]` of the group's codes, zero after the last; None without control."""
        from reelm.lm.net.embed import embed_control

        if state.control is None or self.group != "video":
            return None
        rows = state.last.shape[0]
        field = control_of_rows(state.control, rows, rows > state.control.shape[0])
        grid = self.layout.rows, self.layout.columns
        vectors = embed_control(self.config, params, field, grid, state.last.dtype)
        assert vectors is not None
        return jnp.pad(vectors, ((0, 0), (0, length - vectors.shape[1]), (0, 0)))

    def _extend(
        self,
        params: dict,
        state: DecodeState,
        cache: Cache,
        inputs: jax.Array,
        first: jax.Array,
        control: jax.Array | None,
    ) -> tuple[jax.Array, Cache]:
        """Run `transformer.extend` on inputs `[R, W, D]`; `first` `[B]` is the index of the first predicted code."""
        from reelm.lm.net import transformer

        seen = None
        if self.span is not None:
            # The guesses come after the span's last code.
            seen = self.layout.before + self.layout.end(self.span) + inputs.shape[1] - 2
            seen = min(cache[0].keys.shape[1], filled_up(seen))
        at = state.of_rows(first)
        return transformer.extend(self.config, params, inputs, at, state.slot_fields, cache, seen, control)

    def _draw(
        self,
        params: dict,
        hidden: jax.Array,
        noise: Sequence[jax.Array],
        scale: jax.Array,
        min_p: jax.Array,
        sampling: SamplingParams,
    ) -> jax.Array:
        """Return sub-tokens int32 `[B, W, n]` of hidden `[R, W, D]`.

        noise: `[B, W, 2^bits]` of each sub-token.
        scale, min_p: `[B, W, 1]`; see `draw`.
        """
        from reelm.lm.net import head

        clips = noise[0].shape[0]

        def value(logits: jax.Array, noise: jax.Array) -> jax.Array:
            """Return the values int32 `[R, W]` of a sub-token."""
            logits = constrain(logits, "batch", None, None)
            values = draw(logits, noise, sampling, scale, min_p)
            return jnp.concatenate([values, values]) if len(logits) > clips else values

        values = value(head.first_logits(self.config, params, self.group, hidden), noise[0])
        found = [values[None]]
        for rest in head.next_sub_tokens(self.config, params, self.group, hidden.dtype):

            def one_more(carry: tuple, of_one: tuple, rest: Any = rest) -> tuple[tuple, jax.Array]:
                own, noise = of_one
                known, logits = rest.logits(own, *carry)
                values = value(logits, noise)
                return (known, values), values

            own = rest.params, jnp.stack([noise[k] for k in rest.indices])
            (hidden, values), drawn = jax.lax.scan(one_more, (hidden, values), own)
            found.append(drawn)
        return jnp.moveaxis(jnp.concatenate(found), 0, -1)[:clips]


def settled(state: DecodeState) -> DecodeState:
    """Return a state with its sharding on the mesh, which is the same after every program.

    With another sharding the next program would be compiled again. The cache is constrained where it is written.
    """
    others = {name: value for name, value in vars(state).items() if name != "cache"}
    return replace(state, **constrain_rows(others))


def lookahead_for(decoding: Decoding, wanted: int | None = None) -> dict[Group, int]:
    """Return the number of codes of each group to read in one forward pass.

    It is 1 for "sequential", else `wanted`, or what suits the device if `wanted` is None.
    """
    if decoding == "sequential":
        wanted = 1
    usual = _CPU_LOOKAHEAD if device().extra_codes_cost else _LOOKAHEAD
    return {group: wanted or codes for group, codes in usual.items()}


def span_for(frame: int, most: int) -> int | None:
    """Return the span of the program that draws latent frame `frame` in a window of `most` latent frames.

    Spans are powers of two, because each compiles another program. None on devices where one program serves all frames.
    """
    return min(1 << frame.bit_length(), most) if device().static_programs else None
