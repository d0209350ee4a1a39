"""Rotary positions of three axes, (time, row, column): the angles of slots, and heads rotated by them.

RoFormer (arXiv 2104.09864), in the factorised form used for video. The axes share the pairs of a head: time gets the
pairs that rows and columns leave over. It imports no Flax, so that a compiled program runs without it.
"""

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from reelm.lm.layout import Layout

from .config import LMConfig


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class SlotFields:
    """Values of the slots that predict the codes of R rows: the last slot of the prefix, then those of the codes.

    They are traced, so that clips behind other prefixes share their programs. Each field is zero behind the last code.

    Attributes:
        before: int32 `[R]`, slots in front of the codes.
        query_angles, key_angles: `[R, N, K/2]`, rotations of queries and keys.
    """

    before: jax.Array
    query_angles: jax.Array
    key_angles: jax.Array

    @classmethod
    def of(cls, config: LMConfig, layout: Layout, length: int, rows: int) -> "SlotFields":
        """Return the fields of a layout, the same in all rows.

        length: to pad to, because a lookahead may reach past the last code.
        """
        # A slice past the end would silently be moved back, and rotate all of its codes wrongly.
        fill = ((0, length - layout.codes - 1), (0, 0))
        query_angles, key_angles = (
            jnp.pad(angles[layout.shared_slots - 1 :], fill) for angles in query_and_key_angles(config, layout)
        )
        one = cls(before=jnp.asarray(layout.before, jnp.int32), query_angles=query_angles, key_angles=key_angles)
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (rows, *leaf.shape)), one)

    def at(self, first: jax.Array, count: int) -> "SlotFields":
        """Return the fields of the slots that predict `count` codes, from code `first` int32 `[R]` of each row on."""
        fields = {name: row_slices(field, first, count) for name, field in vars(self).items() if name != "before"}
        return replace(self, **fields)


def query_and_key_angles(config: LMConfig, layout: Layout) -> tuple[jax.Array, jax.Array]:
    """Return the angles of queries and those of keys, `[shared_slots + codes, K/2]` each."""
    of = partial(rotary_angles, head_width=config.head_width, base=config.rope_base)
    return of(layout.query_positions), of(layout.key_positions)


def row_slices(rows: jax.Array, first: jax.Array, count: int) -> jax.Array:
    """Return `[R, count, ...]` of rows `[R, N, ...]`, starting at index `first` int32 `[R]` of each row."""
    return jax.vmap(lambda row, first: jax.lax.dynamic_slice_in_dim(row, first, count))(rows, first)


def frequencies(head_width: int, base: float) -> np.ndarray:
    """Return radians a step along each axis for each pair, float32 `[3, K/2]`; a pair belongs to one axis only."""
    pairs = head_width // 2
    space = (pairs * 5) // 16
    table = np.zeros((3, pairs), np.float32)
    start = 0
    for axis, count in enumerate((pairs - 2 * space, space, space)):
        table[axis, start : start + count] = base ** -(np.arange(count) / max(count, 1))
        start += count
    return table


def rotary_angles(positions: jax.Array | np.ndarray, head_width: int, base: float) -> jax.Array:
    """Return the angles `[..., L, K/2]` of positions `[..., L, 3]`."""
    return jnp.asarray(positions, jnp.float32) @ frequencies(head_width, base)


def rotate(x: jax.Array, angles: jax.Array) -> jax.Array:
    """Return heads `[B, L, N, K]` rotated by angles `[L, K/2]` or `[B, L, K/2]`, in the same dtype."""
    cos, sin = jnp.cos(angles)[..., None, :].astype(x.dtype), jnp.sin(angles)[..., None, :].astype(x.dtype)
    one, two = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([one * cos - two * sin, two * cos + one * sin], axis=-1)
