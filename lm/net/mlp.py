"""The gated MLP of a block, and of the head between one sub-token and the next."""

import flax.linen as nn
import jax
from jax.typing import DTypeLike

from reelm.lm.sharding import split, tensor_parts

from .linear import Linear


class GatedMLP(nn.Module):
    """SwiGLU (arXiv 2002.05202), gate and up in one matmul."""

    hidden: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        both = Linear(2 * self.hidden, self.dtype, name="gate_up")(x)
        gate, up = split(both, (self.hidden, self.hidden), tensor_parts())
        return Linear(x.shape[-1], self.dtype, name="down")(nn.silu(gate) * up)
