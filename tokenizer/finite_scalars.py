"""Finite scalar quantization (FSQ, arXiv 2309.15505): each number of a latent vector is rounded to one of a few levels.

In: latents `float [..., D]`. Out: codes of -1 and +1 `float32 [..., K]`, and from codes the rounded numbers in [-1, 1).
Levels are powers of two, so the level of a number is a few whole bits, lowest first. So ids, sub-tokens and language
models work as with any other code. FSQ needs no table, no parameters and no loss besides that of the pictures.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from .code_spec import fsq_bits

_MARGIN = 1e-3  # the paper's margin around the bound, so that the outer levels can be reached


def quantize(latent: jax.Array, levels: Sequence[int]) -> jax.Array:
    """Return codes of -1 and +1 `float32 [..., K]` of latents `[..., D]`.

    The gradient of the bounded number passes straight through the highest bit of its level (section 3 of the paper).
    """
    bounded, code = _bound(latent.astype(jnp.float32), levels), []
    level = jnp.round(bounded).astype(jnp.int32) + np.asarray(levels) // 2
    carried = bounded * (4.0 / np.asarray(levels, np.float32))  # the highest bit weighs 1/2 in a value
    carried = carried - jax.lax.stop_gradient(carried)
    for number, bits in enumerate(fsq_bits(levels)):
        one = jnp.right_shift(level[..., number, None], jnp.arange(bits)) & 1
        top = jnp.arange(bits) == bits - 1
        code.append(2.0 * one.astype(jnp.float32) - 1.0 + carried[..., number, None] * top)
    return jnp.concatenate(code, axis=-1)


def values(code: jax.Array, levels: Sequence[int]) -> jax.Array:
    """Return the numbers `[..., D]` of codes `[..., K]` of -1 and +1: level l of L is 2 l / L - 1."""
    weight = np.zeros((sum(fsq_bits(levels)), len(levels)), np.float32)
    first = 0
    for number, bits in enumerate(fsq_bits(levels)):
        weight[first : first + bits, number] = 2.0 ** np.arange(bits) / levels[number]
        first += bits
    # Integers over a power of two: the sum is exact in any order.
    exact = jnp.matmul(code, weight.astype(code.dtype), precision="highest")
    return exact - (1.0 / np.asarray(levels, np.float32)).astype(code.dtype)


def _bound(latent: jax.Array, levels: Sequence[int]) -> jax.Array:
    """Squash latents to the range of their levels, as the paper's reference code does for an even number of levels."""
    half = (np.asarray(levels, np.float32) - 1) * np.float32(1 + _MARGIN) / 2
    shift = np.arctanh(np.float32(0.5) / half)
    return jnp.tanh(latent + shift) * half - 0.5
