"""Lookup-free quantization: the signs of a latent vector are its code.

In: latents `float [..., K]`. Out: the same shape with entries -1 or +1, and the two entropy terms of the training loss.
No table, no nearest-neighbour search, no parameters.

Two quantizers share every formula here. LFQ (MAGVIT-v2, arXiv 2310.05737, section 3.1) takes latents as they are. BSQ
(binary spherical quantization, arXiv 2406.07548, section 3) first projects them to a sphere. Its sphere has radius 1 in
the paper; ours has radius sqrt(K), so that its codes also have entries -1 and +1. A temperature tau here is tau / K in
the paper. The third quantizer, FSQ, is in `finite_scalars.py`: it does not use the terms here.
"""

import jax
import jax.numpy as jnp

from .code_spec import CodeSpec


def to_sphere(latent: jax.Array) -> jax.Array:
    """Scale `latent [..., K]` to norm sqrt(K), the sphere that holds all codes; the signs do not change."""
    squares = jnp.mean(jnp.square(latent), axis=-1, keepdims=True)
    return latent * jax.lax.rsqrt(squares + 1e-12)


def quantize(latent: jax.Array) -> jax.Array:
    """Return the signs of `latent` as -1 or +1 (0 counts as +1). The gradient passes straight through."""
    signs = jnp.where(latent >= 0, 1.0, -1.0).astype(latent.dtype)
    return latent + jax.lax.stop_gradient(signs - latent)


def commitment(latent: jax.Array) -> jax.Array:
    """Return the mean squared distance between latents `[..., K]` and their signs, a loss that keeps them close."""
    return jnp.mean(jnp.square(latent - jax.lax.stop_gradient(quantize(latent))))


def sample_entropy(latent: jax.Array, temperature: float = 1.0) -> jax.Array:
    """Return the mean entropy in nats of one code given its latent `[..., K]`; low means that every bit is certain.

    The bits are independent given the latent, so the sum over bits is exact: with two values at -1 and +1 and squared
    distances as energies, p(bit) = sigmoid(4 z / temperature).
    """
    logits = 4.0 * latent.astype(jnp.float32) / temperature
    p = jax.nn.sigmoid(logits)
    per_bit = -p * jax.nn.log_sigmoid(logits) - (1.0 - p) * jax.nn.log_sigmoid(-logits)
    return jnp.mean(jnp.sum(per_bit, axis=-1))


def batch_entropy(latent: jax.Array, spec: CodeSpec, temperature: float = 1.0) -> jax.Array:
    """Return the entropy in nats of the codes of `latent [..., K]` over all leading axes; high when many are used.

    It is exact over the joint distribution of each sub-token's bits (at most 2^10 values) and summed over sub-tokens.
    Inside `jit` on a sharded batch the mean over positions includes every device.
    """
    p = jax.nn.sigmoid(4.0 * latent.reshape(-1, latent.shape[-1]).astype(jnp.float32) / temperature)
    total = jnp.zeros(())
    for bits, offset in zip(spec.split, spec.offsets, strict=True):
        # Bits are independent given the latent, so the joint distribution is the outer product of those of the two
        # halves, and the mean of outer products is one matmul: 2^5 + 2^5 values a position instead of 2^10.
        low = _joint(p[:, offset : offset + bits // 2])
        high = _joint(p[:, offset + bits // 2 : offset + bits])
        mean = jnp.matmul(high.T, low, precision="highest") / p.shape[0]
        total -= jnp.sum(mean * jnp.log(mean + 1e-9))
    return total


def _joint(p: jax.Array) -> jax.Array:
    """Return the joint distribution `[N, 2^b]` of b independent bits, given `[N, b]`: how likely each bit is 1.

    Bit j has weight 2^j.
    """
    joint = jnp.ones((p.shape[0], 1), p.dtype)
    for j in range(p.shape[1]):
        joint = jnp.concatenate([joint * (1 - p[:, j : j + 1]), joint * p[:, j : j + 1]], axis=1)
    return joint
