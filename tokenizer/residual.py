"""Residual lookup-free quantization: level k takes the signs of what the levels before it left over.

In: latents `float [..., K]`. Out: bits `[..., L, K]`, one code of K bits a level, and back. Level k has the fixed scale
2^-k, so that L levels together are a uniform quantizer of 2^L values a dimension over [-2, 2], the most significant
bits first: what a language model draws first matters most. The levels of a residual quantizer are those of
SoundStream (arXiv 2107.03312, section III-C), the signs those of `quantizer.py`; there is no table.
"""

import jax
import jax.numpy as jnp

from .quantizer import quantize


def remainders(latent: jax.Array, levels: int) -> jax.Array:
    """What each level sees, in units of its scale: `[..., K]` -> `[..., L, K]`; its signs are the level's code.

    Powers of two scale exactly, and differentiating goes to the latent alone: a level sees the signs before it as
    constants.
    """
    seen, left = [], latent
    for _ in range(levels):
        seen.append(left)
        left = 2.0 * (left - jax.lax.stop_gradient(quantize(left)))
    return jnp.stack(seen, axis=-2)


def values(bits: jax.Array) -> jax.Array:
    """The latent that bits stand for: `bool [..., L, K]` -> `float32 [..., K]`, odd multiples of 2^-(L-1)."""
    scales = 0.5 ** jnp.arange(bits.shape[-2], dtype=jnp.float32)
    return jnp.sum(jnp.where(bits, 1.0, -1.0) * scales[:, None], axis=-2)


def quantize_residually(latent: jax.Array, levels: int) -> jax.Array:
    """`[..., K]` -> the nearest value that L levels can say, within 2^-(L-1) of every latent in [-2, 2].

    The gradient passes straight through.
    """
    nearest = values(remainders(latent, levels) >= 0).astype(latent.dtype)
    return latent + jax.lax.stop_gradient(nearest - latent)
