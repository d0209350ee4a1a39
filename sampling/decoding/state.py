"""The moving part of decoding: one pytree that goes into each program and comes out of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from reelm.lm.net.cache import Cache
from reelm.lm.net.rotary import SlotFields
from reelm.lm.specials import Group

_OF_ROWS = ("slot_fields", "cache", "last")  # fields with a place for each row, not for each clip


def control_of_rows(control: jax.Array | np.ndarray, rows: int, guided: bool) -> jax.Array:
    """Return the control field `[R, 1, ...]` of one latent frame, from one for all clips, `[1, ...]`, or one for each.

    With guidance it is zero in the unconditional rows, which come last.
    """
    conditional = rows // 2 if guided else rows
    field = jnp.broadcast_to(jnp.asarray(control), (conditional, *control.shape[1:]))[:, None]
    return jnp.concatenate([field, jnp.zeros_like(field)]) if guided else field


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class DecodeState:
    """Everything that moves while B clips are decoded in R rows; R is B, or 2B with guidance, conditional rows first.

    Attributes:
        slot_fields: of each row's window.
        cache: keys and values of the prefix and of all codes but the last, `[R, S, N_kv, K]` a layer. Later slots hold
            wrong guesses, and are written again.
        last: `[R, D]`, the input of the slot that predicts the next code: that of the last code, or of the prefix.
        guesses: group -> sub-tokens int32 `[B, N, n]`, what to try first in the next latent frame; -1 for no idea.
        position: int32 `[B]`, number of codes known; the index of the next one in the window.
        control: float32 `[B, h or 1, w or 1, C]`, the control field of the next latent frame's picture; None for
            models without control. It is set before that picture is drawn or read.
        origin: int32 `[B]`, position of the window's first code in the whole endless stream. Draws are keyed by
            positions in the stream.
        keys: random keys `[B]`, one for each clip.
    """

    slot_fields: SlotFields
    cache: Cache
    last: jax.Array
    guesses: dict[Group, jax.Array]
    position: jax.Array
    origin: jax.Array
    keys: jax.Array
    control: jax.Array | np.ndarray | None = None

    def stream_positions(self, count: int) -> jax.Array:
        """Return the positions int32 `[B, count]`, in the whole stream, of the next `count` codes."""
        return (self.origin + self.position)[:, None] + jnp.arange(count)

    def of_rows(self, of_clips: jax.Array) -> jax.Array:
        """Return an array `[R, ...]` from one `[B, ...]`: with guidance a clip has two rows."""
        return jnp.concatenate([of_clips] * (self.last.shape[0] // of_clips.shape[0]))

    def after(
        self, group: Group, guesses: jax.Array, *, count: jax.Array | int, last: jax.Array, cache: Cache
    ) -> "DecodeState":
        """Return the state after the next `count` codes of each clip, all of one group.

        guesses: first guesses for the group's codes of the next latent frame, int32 `[B, N, n]`.
        """
        return replace(
            self, cache=cache, last=last, guesses=self.guesses | {group: guesses}, position=self.position + count
        )

    @classmethod
    def joined(cls, states: Sequence["DecodeState"]) -> "DecodeState":
        """Return one state with the clips of several states, in order. All must have the same shapes."""

        def join(kinds: int, *leaves: jax.Array) -> jax.Array:
            parts = [leaf.reshape(kinds, -1, *leaf.shape[1:]) for leaf in leaves]
            return jnp.concatenate(parts, axis=1).reshape(-1, *leaves[0].shape[1:])

        return cls(
            **{
                name: jax.tree.map(partial(join, kinds), *(getattr(each, name) for each in states))
                for name, kinds in states[0]._kinds_of_rows().items()
            }
        )

    def split(self, count: int) -> list["DecodeState"]:
        """Return the states of `count` equal parts of the clips; the inverse of `joined`."""

        def part(i: int, kinds: int, leaf: jax.Array) -> jax.Array:
            parts = leaf.reshape(kinds, count, -1, *leaf.shape[1:])
            return parts[:, i].reshape(-1, *leaf.shape[1:])

        return [
            DecodeState(
                **{
                    name: jax.tree.map(partial(part, i, kinds), getattr(self, name))
                    for name, kinds in self._kinds_of_rows().items()
                }
            )
            for i in range(count)
        ]

    def _kinds_of_rows(self) -> dict[str, int]:
        """Return how many rows a clip has in each field: with guidance a conditional and an unconditional one."""
        rows = self.last.shape[0] // self.keys.shape[0]
        return {name: rows if name in _OF_ROWS else 1 for name in vars(self)}
