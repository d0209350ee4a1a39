"""Causal building blocks of the video nets: convolution, patches, and the history that lets both run in chunks.

Arrays are `[B, T, H, W, C]`. Every layer sees the present and the past, never the future, and takes a `History`. It is
empty for the first chunk of a clip, so frame 0 is encoded as an image is. For later chunks it holds the few frames that
each layer needs. Chunked and whole runs compute the same.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype
from jax.typing import DTypeLike

from reelm.tokenizer.history import History


class CausalConv(nn.Module):
    """A 3D convolution, causal in time, zero-padded in space, written as one 2D convolution over frames.

    The time taps are concatenated on the channel axis, which is faster than a native 3D convolution on GPUs and the
    only usable form on CPUs. A time stride maps T = 1 + s k frames to 1 + k on the first chunk and s k to k later.
    The first frame is padded with one frame of zeros for each tap into the past, or with `lead` of them. With `centred`
    the zero padding is equal on both sides of rows and columns, which moves the positions at which a stride samples.
    """

    features: int
    kernel: tuple[int, int, int] = (3, 3, 3)
    stride: tuple[int, int] = (1, 1)  # time, space
    dtype: DTypeLike | None = None
    lead: int | None = None
    use_bias: bool = True
    centred: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, history: History) -> jax.Array:
        (kt, kh, kw), (st, ss), channels = self.kernel, self.stride, x.shape[-1]
        scale = nn.initializers.variance_scaling(1.0, "fan_in", "truncated_normal", in_axis=(0, 1, 2, 3))
        kernel = self.param("kernel", scale, (kt, kh, kw, channels, self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,)) if self.use_bias else None
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        if kt > 1:
            x = history.join(x, pad=kt - 1 if self.lead is None else self.lead, keep=kt - st)
        frames = (x.shape[1] - kt) // st + 1
        taps = [x[:, i : i + (frames - 1) * st + 1 : st] for i in range(kt)]
        x = jnp.concatenate(taps, axis=-1) if kt > 1 else taps[0]
        lowered = jnp.moveaxis(kernel, 0, 2).reshape(kh, kw, kt * channels, self.features)
        if (kh, kw, ss) == (1, 1, 1):
            y = x @ lowered[0, 0]
        else:
            flat, edges = x.reshape(-1, *x.shape[2:]), [(n // 2, n // 2) for n in (kh, kw)] if self.centred else "SAME"
            y = jax.lax.conv_general_dilated(flat, lowered, (ss, ss), edges, dimension_numbers=("NHWC", "HWIO", "NHWC"))
            y = y.reshape(x.shape[0], frames, *y.shape[1:])
        return y if bias is None else y + bias


def space_to_depth(x: jax.Array, patch: tuple[int, int, int], history: History, *, copies: bool = False) -> jax.Array:
    """Fold patches into channels: `[B, T, H, W, C]` -> `[B, t, H/ph, W/pw, pt ph pw C]`.

    The first frame of a clip is padded with pt - 1 frames of zeros before it, or with `copies` of itself.
    """
    pt, ph, pw = patch
    if history.first and pt > 1:
        x = jnp.pad(x, ((0, 0), (pt - 1, 0), (0, 0), (0, 0), (0, 0)), mode="edge" if copies else "constant")
    b, frames, height, width, channels = x.shape
    x = x.reshape(b, frames // pt, pt, height // ph, ph, width // pw, pw, channels)
    return x.transpose(0, 1, 3, 5, 2, 4, 6, 7).reshape(b, frames // pt, height // ph, width // pw, -1)


def depth_to_space(x: jax.Array, patch: tuple[int, int, int], history: History) -> jax.Array:
    """Undo `space_to_depth`: the first latent frame yields one frame, every later one pt."""
    pt, ph, pw = patch
    b, frames, height, width, _ = x.shape
    x = x.reshape(b, frames, height, width, pt, ph, pw, -1)
    x = x.transpose(0, 1, 4, 2, 5, 3, 6, 7).reshape(b, frames * pt, height * ph, width * pw, -1)
    return x[:, pt - 1 :] if history.first else x


def repeat(x: jax.Array, times: tuple[int, int, int], history: History) -> jax.Array:
    """Repeat frames, rows and columns as `depth_to_space` does: the first latent frame yields one frame."""
    for axis, n in zip((1, 2, 3), times, strict=True):
        x = jnp.repeat(x, n, axis=axis) if n > 1 else x
    return x[:, times[0] - 1 :] if history.first else x


class ResidualBlock(nn.Module):
    """Two causal convolutions around a skip; with a `condition`, the second norm is adaptive (scale and shift).

    `times` is the number of frames, rows and columns of `x` for one position of the condition.
    """

    features: int
    kernel: tuple[int, int, int] = (3, 3, 3)
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        history: History,
        condition: jax.Array | None = None,
        times: tuple[int, int, int] = (1, 1, 1),
    ) -> jax.Array:
        # RMS over the channels of one position, because a norm over space and time would break causality and chunking.
        y = nn.silu(nn.RMSNorm(dtype=self.dtype, name="norm_in")(x))
        y = CausalConv(self.features, self.kernel, dtype=self.dtype, name="conv_in")(y, history)
        y = nn.RMSNorm(dtype=self.dtype, name="norm_out")(y)
        if condition is not None:
            modulation = nn.Dense(
                2 * self.features, kernel_init=nn.initializers.zeros, dtype=self.dtype, name="modulation"
            )(condition)
            # Repeat after the matmul: at full resolution the matmul would cost as much as a convolution.
            scale, shift = jnp.split(repeat(modulation, times, history), 2, axis=-1)
            y = y * (1 + scale) + shift
        y = CausalConv(self.features, self.kernel, dtype=self.dtype, name="conv_out")(nn.silu(y), history)
        if x.shape[-1] != self.features:
            x = nn.Dense(self.features, use_bias=False, dtype=self.dtype, name="skip")(x)
        return x + y
