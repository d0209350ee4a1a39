"""Matrix products of the net, with kernels in any number format."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike


class Linear(nn.Module):
    """A matrix product, `[..., inputs]` to `[..., features]`, without a bias.

    The kernel may be stored in any number format. A parameter `scale` `[features]` means that it is int8: then the
    matmul widens it while reading, and the product is scaled.
    """

    features: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (x.shape[-1], self.features))
        x = x.astype(self.dtype)
        if not self.has_variable("params", "scale"):
            return x @ kernel.astype(self.dtype)
        # Without a dependency on x, XLA widens the kernels once before a loop, and each step reads the wide ones.
        x, kernel = jax.lax.optimization_barrier((x, kernel))
        y = jnp.matmul(x, kernel.astype(self.dtype), preferred_element_type=jnp.float32)
        return (y * self.get_variable("params", "scale")).astype(self.dtype)
