"""Building blocks of VidTok: residual blocks with norms by position, attention within a frame, halving and doubling.

Arrays are `[B, T, H, W, C]`. Layers that look back in time take a `History`, as in `convolution.py`.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype
from jax.typing import DTypeLike

from reelm.tokenizer.history import History
from reelm.tokenizer.video.convolution import CausalConv

_BLEND = 2.0  # initial weight of the pool in a fresh net, before the sigmoid


def norm(dtype: DTypeLike | None, name: str) -> nn.LayerNorm:
    """Return the norm over the channels of one position; it computes the variance as torch does."""
    return nn.LayerNorm(epsilon=1e-6, use_fast_variance=False, dtype=dtype, name=name)


class Residual(nn.Module):
    """Two convolutions around a skip; the kernel decides whether they see space, time or both."""

    features: int
    kernel: tuple[int, int, int]
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: jax.Array, history: History) -> jax.Array:
        y = nn.silu(norm(self.dtype, "norm_1")(x))
        y = CausalConv(self.features, self.kernel, dtype=self.dtype, name="conv_1")(y, history)
        y = nn.silu(norm(self.dtype, "norm_2")(y))
        y = CausalConv(self.features, self.kernel, dtype=self.dtype, name="conv_2")(y, history)
        if x.shape[-1] != self.features:
            x = CausalConv(self.features, (1, 1, 1), dtype=self.dtype, name="skip")(x, history)
        return x + y


class Attention(nn.Module):
    """Self-attention of one head over the positions of each frame, around a skip."""

    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        batch, frames, height, width, channels = x.shape
        flat = norm(self.dtype, "norm")(x).reshape(batch * frames, height * width, 1, channels)
        q, k, v = (nn.Dense(channels, dtype=self.dtype, name=name)(flat) for name in "qkv")
        y = jax.nn.dot_product_attention(q, k, v).reshape(x.shape)
        return x + nn.Dense(channels, dtype=self.dtype, name="out")(y)


class HalveTime(nn.Module):
    """Halves the number of frames with a pool and a convolution, blended with a learned weight."""

    features: int
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: jax.Array, history: History) -> jax.Array:
        seen = history.join(x, pad=1, keep=1)
        pooled = (seen[:, :-2:2] + seen[:, 1:-1:2] + seen[:, 2::2]) / 3
        made = CausalConv(self.features, (3, 3, 3), (2, 1), self.dtype, lead=1, name="conv")(x, history)
        return _blended(self, pooled, made)


class DoubleTime(nn.Module):
    """Doubles the number of frames by repetition and a convolution over it, blended with a learned weight.

    Each frame is repeated, so two of the three taps see the same frame. So their kernels are summed, and the
    convolution computes both new frames from two old ones: a third less arithmetic.
    """

    features: int
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: jax.Array, history: History) -> jax.Array:
        kernel, bias = _Kernel((3, 3, 3, self.features, self.features), name="conv")()
        taps = kernel[0] + kernel[1], kernel[2], kernel[0], kernel[1] + kernel[2]
        old, new = (jnp.concatenate([taps[i], taps[i + 2]], axis=-1) for i in range(2))
        both = jnp.concatenate([old, new], axis=2)  # [3, 3, 2 C, 2 C]: the frame before and this one to two frames
        x, both, bias = promote_dtype(x, both, bias, dtype=self.dtype)
        seen = history.join(x, pad=1, keep=1)
        seen = jnp.concatenate([seen[:, :-1], seen[:, 1:]], axis=-1)
        batch, frames, height, width, _ = x.shape
        made = _conv2d(seen.reshape(-1, *seen.shape[2:]), both, ((1, 1), (1, 1)))
        made = made.reshape(batch, frames, height, width, 2, self.features).transpose(0, 1, 4, 2, 3, 5)
        repeated = jnp.repeat(x, 2, axis=1)
        return _blended(self, repeated, made.reshape(repeated.shape) + bias)


class Double(nn.Module):
    """Doubles rows and columns by repetition, then applies a convolution.

    Each new pixel sees 2 x 2 old ones, so four kernels of 2 x 2 replace one of 3 x 3 over four times the pixels: less
    than half the arithmetic.
    """

    features: int
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel, bias = _Kernel((1, 3, 3, x.shape[-1], self.features), name="conv")()
        rows = _pairs(kernel[0], 0)
        kernels = [pair for row in rows for pair in _pairs(row, 1)]
        x, bias, *kernels = promote_dtype(x, bias, *kernels, dtype=self.dtype)
        batch, frames, height, width, _ = x.shape
        flat, edges = x.reshape(-1, *x.shape[2:]), ((1, 0), (0, 1))
        parts = [_conv2d(flat, kernels[2 * i + j], (edges[i], edges[j])) for i in range(2) for j in range(2)]
        made = jnp.stack(parts, axis=-2).reshape(-1, height, width, 2, 2, self.features).transpose(0, 1, 3, 2, 4, 5)
        return made.reshape(batch, frames, 2 * height, 2 * width, self.features) + bias


class _Kernel(nn.Module):
    """The parameters of a convolution that is computed in another form."""

    shape: tuple[int, ...]

    @nn.compact
    def __call__(self) -> tuple[jax.Array, jax.Array]:
        scale = nn.initializers.variance_scaling(1.0, "fan_in", "truncated_normal", in_axis=(0, 1, 2, 3))
        bias = self.param("bias", nn.initializers.zeros, self.shape[-1:])
        return self.param("kernel", scale, self.shape), bias


def _pairs(kernel: jax.Array, axis: int) -> list[jax.Array]:
    """Return the kernels of the even and the odd pixels along an axis of 3 taps over repeated pixels."""
    first, middle, last = jnp.split(kernel, 3, axis)
    return [jnp.concatenate(taps, axis) for taps in ((first, middle + last), (first + middle, last))]


def _conv2d(x: jax.Array, kernel: jax.Array, padding: tuple[tuple[int, int], tuple[int, int]]) -> jax.Array:
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _blended(module: nn.Module, plain: jax.Array, made: jax.Array) -> jax.Array:
    """Return the learned blend of pooled or repeated frames and the output of a convolution."""
    share = jax.nn.sigmoid(module.param("mix", nn.initializers.constant(_BLEND), (1,))).astype(made.dtype)
    return share * plain.astype(made.dtype) + (1 - share) * made
