"""Finite scalar quantization (FSQ, arXiv 2309.15505): each number of a latent vector is rounded to one of a few levels.

In: latents `float [..., D]`. Out: codes of -1 and +1 `float32 [..., K]`, and from codes the rounded numbers in [-1, 1).
Levels are powers of two, so the level of a number is a few whole bits, lowest first. Then ids, sub-tokens and language
models are those of any other code. There is no table, no parameter, and no loss beside that of the pictures.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from reelm.errors import RequestError

_MARGIN = 1e-3  # of the paper's bound, so that the outer levels are reached
_MOST_BITS = 10  # of one number


def levels_of(bits: int) -> tuple[int, ...]:
    """Return levels for a code of so many bits: as few numbers as have at most 8 levels each, nearly equal."""
    count = -(-bits // 3)
    return tuple(1 << (bits // count + (k < bits % count)) for k in range(count))


def check_levels(levels: Sequence[int]) -> None:
    """Check that levels make whole bits of a code; RequestError names one that does not."""
    most = 1 << _MOST_BITS
    if wrong := [each for each in levels if not 2 <= each <= most or each & (each - 1)]:
        raise RequestError(
            f"the quantizer fsq has {wrong[0]} levels, which are no whole bits of a code; choose 2, 4, 8 or another "
            f"power of two up to {most}"
        )


def bits_of(levels: Sequence[int]) -> int:
    """Return the bits of a code of such levels."""
    return sum(_each(levels))


def quantize(latent: jax.Array, levels: Sequence[int]) -> jax.Array:
    """Return codes of -1 and +1 `float32 [..., K]` of latents `[..., D]`.

    The gradient of the bounded number passes straight through the highest bit of its level (section 3 of the paper).
    """
    bounded, code = _bound(latent.astype(jnp.float32), levels), []
    level = jnp.round(bounded).astype(jnp.int32) + np.asarray(levels) // 2
    carried = bounded * (4.0 / np.asarray(levels, np.float32))  # the highest bit weighs 1/2 in a value
    carried = carried - jax.lax.stop_gradient(carried)
    for number, bits in enumerate(_each(levels)):
        one = jnp.right_shift(level[..., number, None], jnp.arange(bits)) & 1
        top = jnp.arange(bits) == bits - 1
        code.append(2.0 * one.astype(jnp.float32) - 1.0 + carried[..., number, None] * top)
    return jnp.concatenate(code, axis=-1)


def values(code: jax.Array, levels: Sequence[int]) -> jax.Array:
    """Return the numbers `[..., D]` of codes `[..., K]` of -1 and +1: level l of L is 2 l / L - 1."""
    weight = np.zeros((bits_of(levels), len(levels)), np.float32)
    first = 0
    for number, bits in enumerate(_each(levels)):
        weight[first : first + bits, number] = 2.0 ** np.arange(bits) / levels[number]
        first += bits
    # Whole numbers over a power of two: exact in any order of summing.
    exact = jnp.matmul(code, weight.astype(code.dtype), precision="highest")
    return exact - (1.0 / np.asarray(levels, np.float32)).astype(code.dtype)


def _each(levels: Sequence[int]) -> list[int]:
    """Return the bits of each number."""
    return [each.bit_length() - 1 for each in levels]


def _bound(latent: jax.Array, levels: Sequence[int]) -> jax.Array:
    """Return latents squashed to the range of their levels, as the paper's reference code does for an even number."""
    half = (np.asarray(levels, np.float32) - 1) * np.float32(1 + _MARGIN) / 2
    shift = np.arctanh(np.float32(0.5) / half)
    return jnp.tanh(latent + shift) * half - 0.5
