"""The nets of Open-MAGVIT2's video tokenizer (arXiv 2409.04410): causal convolutions, group norms over whole clips.

Arrays are `[B, T, H, W, C]`. In: frames in [-1, 1], out: latents whose signs are the code, and back. Convolutions see
the present and the past. But each group norm takes mean and variance over all frames, rows and columns, and so do the
decoder's adaptive norms over the codes: whole clips alone, which is why the `History` stays that of a first chunk.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.tokenizer.history import History
from reelm.tokenizer.video.convolution import CausalConv

GROUPS = 32
"""Groups of channels of every norm, as the reference fixes them."""

_TAPS = (3, 3, 3)
_EPSILON = 1e-6


def group_norm(dtype: DTypeLike | None, name: str, *, affine: bool = True) -> nn.GroupNorm:
    """Return the norm of each group of channels over a whole clip; its variance is computed as torch does."""
    return nn.GroupNorm(
        GROUPS,
        epsilon=_EPSILON,
        use_fast_variance=False,
        use_scale=affine,
        use_bias=affine,
        dtype=dtype,
        name=name,
    )


class Residual(nn.Module):
    """Two convolutions of three taps around a skip, none with a bias."""

    features: int
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: jax.Array, history: History) -> jax.Array:
        y = nn.silu(group_norm(self.dtype, "norm_1")(x))
        y = CausalConv(self.features, _TAPS, dtype=self.dtype, use_bias=False, name="conv_1")(y, history)
        y = nn.silu(group_norm(self.dtype, "norm_2")(y))
        y = CausalConv(self.features, _TAPS, dtype=self.dtype, use_bias=False, name="conv_2")(y, history)
        if x.shape[-1] != self.features:
            x = CausalConv(self.features, (1, 1, 1), dtype=self.dtype, use_bias=False, name="skip")(x, history)
        return x + y


class Adaptive(nn.Module):
    """A group norm whose scale and shift come from the deviation and the mean of each bit over the clip's codes."""

    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: jax.Array, code: jax.Array) -> jax.Array:
        places, axes = code.shape[1] * code.shape[2] * code.shape[3], (1, 2, 3)
        code = code.astype(jnp.float32)
        mean = jnp.mean(code, axes, keepdims=True)
        # The unbiased variance, as the reference has it; a clip of one code has none.
        variance = jnp.sum(jnp.square(code - mean), axes, keepdims=True) / max(1, places - 1)
        scale = nn.Dense(x.shape[-1], dtype=self.dtype, name="scale")(jnp.sqrt(variance + _EPSILON))
        shift = nn.Dense(x.shape[-1], dtype=self.dtype, name="shift")(mean)
        return scale * group_norm(self.dtype, "norm", affine=False)(x) + shift


class Double(nn.Module):
    """Double rows and columns, and frames but the first if `time`, by a convolution whose channels are laid out so."""

    time: bool
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, x: jax.Array, history: History) -> jax.Array:
        batch, frames, height, width, channels = x.shape
        times = 2 if self.time else 1
        x = CausalConv(4 * times * channels, _TAPS, dtype=self.dtype, name="conv")(x, history)
        x = x.reshape(batch, frames, height, width, times, 2, 2, channels).transpose(0, 1, 4, 2, 5, 3, 6, 7)
        x = x.reshape(batch, times * frames, 2 * height, 2 * width, channels)
        # Of the two frames that the first one makes, the reference keeps the earlier.
        return jnp.concatenate([x[:, :1], x[:, 2:]], axis=1) if self.time else x


class OpenMagvit2Encoder(nn.Module):
    """Frames `float [B, T, H, W, 3]` to latents `float32 [B, t, h, w, K]`.

    Attributes:
        bits: of a code, K.
        channels: of each stage, from fine to coarse.
        blocks: residual blocks of a stage, and behind the last one.
        halves: stages behind which time is halved, as space is behind each but the last.
        dtype: number format of activations; None for float32.
    """

    bits: int
    channels: tuple[int, ...]
    blocks: int
    halves: tuple[int, ...]
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, video: jax.Array, history: History) -> jax.Array:
        x = CausalConv(self.channels[0], _TAPS, dtype=self.dtype, use_bias=False, name="conv_in")(video, history)
        for stage, width in enumerate(self.channels):
            x = _blocks(x, history, f"block_{stage}", width, self.blocks, self.dtype)
            if stage < len(self.channels) - 1:
                strides = 2 if stage in self.halves else 1, 2
                half = CausalConv(width, _TAPS, strides, self.dtype, centred=True, name=f"half_{stage}")
                x = half(x, history)
        x = _blocks(x, history, "middle", self.channels[-1], self.blocks, self.dtype)
        x = nn.silu(group_norm(self.dtype, "norm_out")(x))
        return CausalConv(self.bits, (1, 1, 1), name="conv_out")(x.astype(jnp.float32), history)


class OpenMagvit2Decoder(nn.Module):
    """Codes `float [B, t, h, w, K]` of -1 and +1 to frames `float32 [B, T, H, W, 3]`.

    Attributes:
        channels: of each stage, from fine to coarse.
        blocks: residual blocks before the first stage, and of each.
        halves: stages of the encoder behind which time is halved; in front of them it is doubled here.
        dtype: number format of activations; None for float32.
    """

    channels: tuple[int, ...]
    blocks: int
    halves: tuple[int, ...]
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, code: jax.Array, history: History) -> jax.Array:
        x = CausalConv(self.channels[-1], _TAPS, dtype=self.dtype, name="conv_in")(code, history)
        x = _blocks(x, history, "middle", self.channels[-1], self.blocks, self.dtype)
        for stage in reversed(range(len(self.channels))):
            x = Adaptive(self.dtype, name=f"adaptive_{stage}")(x, code)
            x = _blocks(x, history, f"block_{stage}", self.channels[stage], self.blocks, self.dtype)
            if stage:
                x = Double(stage - 1 in self.halves, self.dtype, name=f"double_{stage}")(x, history)
        x = nn.silu(group_norm(self.dtype, "norm_out")(x))
        return CausalConv(3, _TAPS, name="conv_out")(x.astype(jnp.float32), history)


def _blocks(x: jax.Array, history: History, name: str, width: int, blocks: int, dtype: DTypeLike | None) -> jax.Array:
    """Return an array after so many residual blocks; call it inside a module."""
    for block in range(blocks):
        x = Residual(width, dtype, name=f"{name}_{block}")(x, history)
    return x
