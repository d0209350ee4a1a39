"""Residual lookup-free quantization: each round takes the signs of the remainder of the rounds before it.

In: latents `float [..., G K]` in [-2, 2], G groups of K. Out: bits `[..., L, K]`, one code of K bits a level, and back.
The levels are all groups of the first round, then all of the second: what a language model draws first matters most.
Round r has the fixed scale 2^-r, so that R rounds are a uniform quantizer of 2^R values a dimension. The levels of a
residual quantizer are those of SoundStream (arXiv 2107.03312, section III-C), the signs those of `quantizer.py`; there
is no table.
"""

import jax
import jax.numpy as jnp

from reelm.tokenizer.quantizer import quantize


def remainders(latent: jax.Array, bits: int, levels: int) -> jax.Array:
    """Return the remainder that each level quantizes, in units of its scale: `[..., G K]` -> `[..., L, K]`.

    The signs of a remainder are the level's code. Powers of two scale exactly. Gradients go to the latent alone: to a
    level the signs before it are constants.
    """
    left = latent.reshape(*latent.shape[:-1], -1, bits)
    seen = []
    for _ in range(levels // left.shape[-2]):
        seen.append(left)
        left = 2.0 * (left - jax.lax.stop_gradient(quantize(left)))
    return jnp.concatenate(seen, axis=-2)


def values(bits: jax.Array, groups: int) -> jax.Array:
    """Return the latent of bits: `bool [..., L, K]` -> `float32 [..., G K]`, odd multiples of 2^(1 - L / G)."""
    *batch, levels, width = bits.shape
    signs = jnp.where(bits, 1.0, -1.0).reshape(*batch, levels // groups, groups * width)
    scales = 0.5 ** jnp.arange(levels // groups, dtype=jnp.float32)
    return jnp.sum(signs * scales[:, None], axis=-2)


def quantize_residually(latent: jax.Array, bits: int, levels: int) -> jax.Array:
    """Round latents `[..., G K]` to the nearest value of L levels, within 2^(1 - L / G) for latents in [-2, 2].

    The gradient passes straight through.
    """
    nearest = values(remainders(latent, bits, levels) >= 0, latent.shape[-1] // bits).astype(latent.dtype)
    return latent + jax.lax.stop_gradient(nearest - latent)
