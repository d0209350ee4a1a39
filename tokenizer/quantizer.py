"""Lookup-free quantization: the signs of a latent vector are its code (LFQ; MAGVIT-v2, arXiv 2310.05737, section 3.1).

In: latents `float [..., K]`. Out: the same shape with entries -1 or +1, and the two entropy terms that training wants.
No table, no nearest-neighbour search, no parameters.
"""

import jax
import jax.numpy as jnp

from .codes import CodeSpec


def quantize(latent: jax.Array) -> jax.Array:
    """Signs of `latent` as -1 or +1 (0 counts as +1). The gradient passes straight through."""
    signs = jnp.where(latent >= 0, 1.0, -1.0).astype(latent.dtype)
    return latent + jax.lax.stop_gradient(signs - latent)


def commitment(latent: jax.Array) -> jax.Array:
    """Mean squared distance between the latents `[..., K]` and their signs: keeps them near what they stand for."""
    return jnp.mean(jnp.square(latent - jax.lax.stop_gradient(quantize(latent))))


def sample_entropy(latent: jax.Array, temperature: float = 1.0) -> jax.Array:
    """Mean entropy in nats of one code given its latent `[..., K]`; low means that every bit is decided.

    The bits are independent given the latent, so the sum over bits is exact: with two values at -1 and +1 and squared
    distances as energies, p(bit) = sigmoid(4 z / temperature).
    """
    logits = 4.0 * latent.astype(jnp.float32) / temperature
    p = jax.nn.sigmoid(logits)
    per_bit = -p * jax.nn.log_sigmoid(logits) - (1.0 - p) * jax.nn.log_sigmoid(-logits)
    return jnp.mean(jnp.sum(per_bit, axis=-1))


def batch_entropy(latent: jax.Array, spec: CodeSpec, temperature: float = 1.0) -> jax.Array:
    """Entropy in nats of the codes used over all leading axes of `latent [..., K]`; high means that many are in use.

    Exact over the joint of each sub-token's bits (at most 2^10 values) and summed over sub-tokens. Inside `jit` on a
    sharded batch the mean over positions runs over every device.
    """
    logits = 4.0 * latent.reshape(-1, latent.shape[-1]).astype(jnp.float32) / temperature
    total = jnp.zeros(())
    for bits, offset in zip(spec.split, spec.offsets, strict=True):
        group = logits[:, offset : offset + bits]
        table = (jnp.arange(1 << bits)[:, None] >> jnp.arange(bits)) & 1  # [V, bits]: every value of this sub-token
        log_joint = jax.nn.log_sigmoid(group) @ table.T + jax.nn.log_sigmoid(-group) @ (1 - table).T
        mean = jnp.mean(jnp.exp(log_joint), axis=0)
        total -= jnp.sum(mean * jnp.log(mean + 1e-9))
    return total
