"""Matrices of the network, whole or as int8 with a scale for each output channel, and made of parts side by side."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike


class Linear(nn.Module):
    """`[..., inputs]` to `[..., features]` without a bias.

    A kernel may be stored in any number format. When `scale` `[features]` stands beside it, the kernel is int8: it is
    widened inside the matmul's read, and the product is scaled.
    """

    features: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (x.shape[-1], self.features))
        x = x.astype(self.dtype)
        if not self.has_variable("params", "scale"):
            return x @ kernel.astype(self.dtype)
        # Without a tie to x, XLA widens the kernels of a loop once in front of it, and each turn reads them wide.
        x, kernel = jax.lax.optimization_barrier((x, kernel))
        y = jnp.matmul(x, kernel.astype(self.dtype), preferred_element_type=jnp.float32)
        return (y * self.get_variable("params", "scale")).astype(self.dtype)


def split(x: jax.Array, sizes: tuple[int, ...], shards: int) -> list[jax.Array]:
    """`[..., sum(sizes)]` into its parts, each of the parts cut over so many shards that stand one after another."""
    ends = [sum(sizes[: i + 1]) // shards for i in range(len(sizes) - 1)]
    parts = jnp.split(x.reshape(*x.shape[:-1], shards, -1), ends, axis=-1)
    return [part.reshape(*x.shape[:-1], -1) for part in parts]


def join(parts: list[jax.Array], shards: int) -> jax.Array:
    """The inverse of `split`."""
    cut = [part.reshape(*part.shape[:-1], shards, -1) for part in parts]
    return jnp.concatenate(cut, axis=-1).reshape(*parts[0].shape[:-1], -1)
