"""Rotary positions on three axes (RoFormer, arXiv 2104.09864, in the factorised form used for video).

In: places `float [..., L, 3]` as (time, row, column). Out: angles, and heads turned by them. The axes share the pairs
of a head: time gets what rows and columns leave over.
"""

import jax
import jax.numpy as jnp
import numpy as np


def frequencies(head_width: int, base: float) -> np.ndarray:
    """float32 `[3, head_width / 2]`: radians a step along each axis for each pair; a pair belongs to one axis only."""
    pairs = head_width // 2
    space = (pairs * 5) // 16
    table = np.zeros((3, pairs), np.float32)
    start = 0
    for axis, count in enumerate((pairs - 2 * space, space, space)):
        table[axis, start : start + count] = base ** -(np.arange(count) / max(count, 1))
        start += count
    return table


def angles(places: jax.Array | np.ndarray, head_width: int, base: float) -> jax.Array:
    """Angles `[..., L, head_width / 2]` of places `[..., L, 3]`."""
    return jnp.asarray(places, jnp.float32) @ frequencies(head_width, base)


def rotate(x: jax.Array, turn: jax.Array) -> jax.Array:
    """Heads `[B, L, N, K]` turned by angles `[L, K/2]` or `[B, L, K/2]`; same dtype out."""
    cos, sin = jnp.cos(turn)[..., None, :].astype(x.dtype), jnp.sin(turn)[..., None, :].astype(x.dtype)
    one, two = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([one * cos - two * sin, two * cos + one * sin], axis=-1)
