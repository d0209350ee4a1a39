"""Decoding one latent frame: its picture and its sound, each drawn by one compiled program, in parallel and exactly.

A draw is a function of the logits and of a key that belongs to the code's position, so a code does not depend on how it
was found. The codes of a window are guessed, read in one forward pass, and drawn again from its logits. Up to the first
wrong guess, each draw is the one that code-by-code decoding would make. The rest are better guesses (Jacobi decoding;
Song et al., arXiv 2002.03629; for images Teng et al., arXiv 2410.01699). A window of 1 decodes code by code.

What is known is read instead of drawn: a clip that gets a sound has its pictures read and its sound drawn. The state
goes in and comes out whole, on the device, and the host only dispatches. Progress, cancelling and streaming happen
between these programs and cost the device nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from reelm.lm.layout import Layout
from reelm.lm.net import head, transformer
from reelm.lm.net.attention import Cache
from reelm.lm.net.config import LMConfig
from reelm.lm.sharding import constrain
from reelm.lm.specials import Group
from reelm.sampling.options import Decoding
from reelm.tokenizer.codes import ids_to_sub_tokens, sub_tokens_to_ids

from .choose import Controls, choose, guide, noise_of
from .state import DecodeState

# The fastest of 1 to 16 with the shipped model on two CPU cores, where each code costs time. Sound is harder
# to guess. On other devices a forward pass over 64 codes reads the same weights as one over a single code.
_CPU_WINDOWS: dict[Group, int] = {"video": 12, "sound": 4}
_WINDOWS: dict[Group, int] = {"video": 64, "sound": 64}


class _Loop(NamedTuple):
    """Carry of the loop over a group's codes.

    Attributes:
        codes: sub-tokens int32 `[B, N + W, n]`, of which the first `done` + 1 are final.
        done: int32 scalar, final codes that were read.
        hidden: `[R, D]`, the hidden state after them.
        cache: KV cache with them.
        forwards: int32 scalar, number of forward passes.
    """

    codes: jax.Array
    done: jax.Array
    hidden: jax.Array
    cache: Cache
    forwards: jax.Array


@dataclass(frozen=True)
class FrameProgram:
    """The static part of decoding the codes of one group in one latent frame. Equal programs compile once.

    Attributes:
        config: sizes of the language model.
        layout: of the window, or any of the same stream with at least as many slots. The state holds the positions of
            codes, so one program serves all frames of all windows.
        span: latent frames of the layout that are attended to, this one included, as from `span_for`. Later slots
            hold nothing yet.
        group: "video" for the picture of a latent frame, "sound" for the sound beside it.
        window: codes read in one forward pass, at most that of `Prefill`. It changes the speed, never the codes (in
            float32, except where a draw's two best values nearly tie: matmuls of other shapes round differently).
    """

    config: LMConfig
    layout: Layout
    span: int
    group: Group
    window: int = 1

    def draw(
        self, params: dict, state: DecodeState, size: int, controls: Controls
    ) -> tuple[jax.Array, jax.Array, DecodeState]:
        """Draw the next codes of the group.

        Args:
            params: with unrolled layers.
            state: donated; do not use it again.
            size: number of codes, at most the N of `state.guesses`. Static for a window of 1, otherwise traced.
            controls: traced.

        Returns:
            Codes int32 `[B, rows, columns]` of a picture, or `[B, N, L]` of sound, of which the first `size` audio
            frames count; the number of forward passes; the state after them.
        """
        # On a GPU, a loop of unknown length returns to the host at each turn. Sound has two lengths.
        turns = size if self.window == 1 else None
        return self.draw_program(turns, params, state, size, controls)

    @partial(jax.jit, static_argnames=("self", "turns"), donate_argnames="state")
    def draw_program(
        self, turns: int | None, params: dict, state: DecodeState, size: jax.Array | int, controls: Controls
    ) -> tuple[jax.Array, jax.Array, DecodeState]:
        """Run the compiled part of `draw`; `turns` is the static length of its loop, where each turn finds one code."""
        guesses = state.guesses[self.group]
        clips, most, n = guesses.shape
        # Noise is made once: parallel decoding draws a code several times.
        positions = state.stream_positions(most + self.window)
        noise = noise_of(state.keys, positions, self.config.split(self.group))
        scales = controls.cfg_scale[jnp.minimum(self.layout.frame_at(positions), controls.cfg_scale.shape[0] - 1)]

        def draw(hidden: jax.Array, first: jax.Array | int) -> jax.Array:
            """Return sub-tokens int32 `[B, W, n]` of the codes first ... first + W - 1, from hidden `[R, W, D]`."""

            def here(leaf: jax.Array, axis: int) -> jax.Array:
                return jax.lax.dynamic_slice_in_dim(leaf, first, hidden.shape[1], axis)

            noise_here = [here(of_value, 1) for of_value in noise]
            return self._draw(params, hidden, noise_here, here(scales, 0)[:, None], controls)

        def forward(loop: _Loop) -> _Loop:
            tried = jax.lax.dynamic_slice_in_dim(loop.codes, loop.done, self.window, axis=1)
            hidden, cache = self._extend(params, state, loop.cache, tried, state.position + loop.done)
            drawn = draw(hidden, loop.done + 1)
            right = jnp.all(drawn[:, :-1] == tried[:, 1:], axis=(0, 2))
            # All clips of a batch advance together, as far as the guesses are right in each of them.
            done = jnp.minimum(loop.done + 1 + jnp.sum(jnp.cumprod(right)), size).astype(jnp.int32)
            return _Loop(
                codes=jax.lax.dynamic_update_slice_in_dim(loop.codes, drawn, loop.done + 1, axis=1),
                done=done,
                hidden=jax.lax.dynamic_index_in_dim(hidden, done - loop.done - 1, axis=1, keepdims=False),
                cache=cache,
                forwards=loop.forwards + 1,
            )

        first = draw(state.hidden[:, None], 0)
        # Where there is no guess yet, the first code is the guess.
        guesses = jnp.where(guesses < 0, first, guesses)
        codes = jnp.concatenate([first, guesses[:, 1:], jnp.zeros((clips, self.window, n), jnp.int32)], axis=1)
        none = jnp.zeros((), jnp.int32)
        loop = _Loop(codes, none, state.hidden, state.cache, none)
        if turns is None:
            loop = jax.lax.while_loop(lambda loop: loop.done < size, forward, loop)
        else:
            loop = jax.lax.fori_loop(0, turns, lambda _, loop: forward(loop), loop)
        drawn = loop.codes[:, :most]
        # Most codes are those of one latent frame before, so these are the next guesses.
        state = state.after(self.group, drawn, count=size, hidden=loop.hidden, cache=loop.cache)
        if self.group == "video":
            drawn = sub_tokens_to_ids(drawn, self.config.code).reshape(clips, self.layout.rows, self.layout.columns)
        return drawn, loop.forwards, state

    @partial(jax.jit, static_argnames="self", donate_argnames="state")
    def read(self, params: dict, state: DecodeState, codes: jax.Array) -> DecodeState:
        """Read the next codes of the group, which are known, instead of drawing them; their shape is that of `draw`."""
        if self.group == "video":
            codes = ids_to_sub_tokens(codes.reshape(codes.shape[0], -1), self.config.code)
        hidden, cache = self._extend(params, state, state.cache, codes, state.position)
        guesses = jax.lax.dynamic_update_slice(state.guesses[self.group], codes, (0, 0, 0))
        return state.after(self.group, guesses, count=codes.shape[1], hidden=hidden[:, -1], cache=cache)

    def _extend(
        self, params: dict, state: DecodeState, cache: Cache, codes: jax.Array, first: jax.Array
    ) -> tuple[jax.Array, Cache]:
        """Run `transformer.extend` on the codes `[B, W, n]` of clips, in every row of each clip.

        first: index of the first of them in the window.
        """
        rows, slots = cache[0].keys.shape[:2]
        codes = jnp.concatenate([codes] * (rows // codes.shape[0]))
        # The guesses of a window stand behind the span's last code.
        seen = min(slots, self.layout.before + self.layout.end(self.span) + codes.shape[1] - 1)
        return transformer.extend(self.config, params, self.group, codes, first, state.code_positions, cache, seen)

    def _draw(
        self, params: dict, hidden: jax.Array, noise: Sequence[jax.Array], scale: jax.Array, controls: Controls
    ) -> jax.Array:
        """Return sub-tokens int32 `[B, W, n]` of hidden `[R, W, D]`, noise `[B, W, 2^bits]` each, guidance `[W, 1]`."""
        guided = hidden.shape[0] > noise[0].shape[0]
        sub_tokens = jnp.zeros((*hidden.shape[:2], len(noise)), jnp.int32)
        for k, of_value in enumerate(noise):
            logits = head.logits(self.config, params, self.group, hidden, sub_tokens, k)
            logits = constrain(logits, "batch", None, None)
            values = choose(guide(logits, scale) if guided else logits, of_value, controls)
            sub_tokens = sub_tokens.at[..., k].set(jnp.concatenate([values, values]) if guided else values)
        return sub_tokens[: noise[0].shape[0]]


def windows_for(decoding: Decoding, wanted: int | None = None) -> dict[Group, int]:
    """Return the codes of each group to read in one forward pass.

    These are 1 for "sequential", else `wanted`; or what suits the device where `wanted` is None.
    """
    if decoding == "sequential":
        wanted = 1
    usual = _CPU_WINDOWS if jax.default_backend() == "cpu" else _WINDOWS
    return {group: wanted or codes for group, codes in usual.items()}


def span_for(frame: int, most: int) -> int:
    """Return the latent frames to attend to while latent frame `frame` is drawn, in a window of `most`.

    Each number that is returned compiles a program of its own.
    """
    # On a CPU compiling another program takes longer than reading fewer slots saves.
    return most if jax.default_backend() == "cpu" else min(1 << frame.bit_length(), most)
