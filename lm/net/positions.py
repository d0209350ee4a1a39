"""Rotary positions on three axes (RoFormer, arXiv 2104.09864, in the factorised form used for video).

In: positions `float [..., L, 3]` as (time, row, column). Out: angles, and heads rotated by them. The axes share the
pairs of a head: time gets what rows and columns leave over.
"""

import jax
import jax.numpy as jnp
import numpy as np


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
