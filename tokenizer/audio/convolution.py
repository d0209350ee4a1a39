"""Causal building blocks of the audio nets: convolution over time, folding of samples into channels, residual blocks.

Arrays are `[B, T, C]`. Every layer sees the present and the past, never the future. The `History` holds the steps
before a chunk. Before the first chunk it holds silence, so the first chunk uses the same state and program as later
ones.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype
from jax.typing import DTypeLike

from reelm.tokenizer.history import History

# Added under the root of a norm. Silence is all zeros at first: a smaller value would multiply its gradient at each
# block.
NORM_EPSILON = 1e-3


class CausalConv1D(nn.Module):
    """A convolution over the present step and `kernel - 1` earlier ones, `dilation` apart, computed as one matmul."""

    features: int
    kernel: int = 3
    dilation: int = 1
    dtype: DTypeLike | None = None
    kernel_init: nn.initializers.Initializer = nn.initializers.variance_scaling(
        1.0, "fan_in", "truncated_normal", in_axis=(0, 1)
    )

    @nn.compact
    def __call__(self, x: jax.Array, history: History) -> jax.Array:
        kernel = self.param("kernel", self.kernel_init, (self.kernel, x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        steps, reach = x.shape[1], (self.kernel - 1) * self.dilation
        if reach:
            x = history.join(x, pad=reach, keep=reach)
            x = jnp.concatenate([x[:, i * self.dilation :][:, :steps] for i in range(self.kernel)], axis=-1)
        return x @ kernel.reshape(-1, self.features) + bias


def fold(x: jax.Array, stride: int) -> jax.Array:
    """Fold steps into channels: `[B, T, C]` -> `[B, T / stride, stride C]`, as before a strided convolution."""
    return x.reshape(x.shape[0], x.shape[1] // stride, stride * x.shape[2])


def unfold(x: jax.Array, stride: int) -> jax.Array:
    """Undo `fold`. After a convolution this replaces a transposed convolution and has no checkerboard artefacts."""
    return x.reshape(x.shape[0], x.shape[1] * stride, x.shape[2] // stride)


def dilation(block: int) -> int:
    """Return the dilation of a stage's block: 1 and 3 in turn, so that training pieces cover the receptive field."""
    return 3 ** (block % 2)


class ResidualBlock1D(nn.Module):
    """A dilated convolution and a pointwise one around a skip (SoundStream, arXiv 2107.03312, figure 3)."""

    features: int
    kernel: int = 3
    dilation: int = 1
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: jax.Array, history: History) -> jax.Array:
        # RMS over the channels of one step, because a norm over time would break causality and chunking.
        y = nn.silu(nn.RMSNorm(NORM_EPSILON, dtype=self.dtype, name="norm")(x))
        y = CausalConv1D(self.features, self.kernel, self.dilation, self.dtype, name="conv")(y, history)
        return x + nn.Dense(self.features, dtype=self.dtype, name="mix")(nn.silu(y))
