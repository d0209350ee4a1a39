"""The audio decoder: quantized latents `[B, F, D]` to samples `float [B, S, C]`, about in [-1, 1]."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from .audio_convolution import NORM_EPSILON, CausalConv1D, ResidualBlock1D, unfold
from .convolution import History


class AudioDecoder(nn.Module):
    """The encoder's mirror."""

    samples: int  # channels of the sound: 1 or 2
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    blocks: int
    kernel: int
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, latent: jax.Array, history: History) -> jax.Array:
        x = CausalConv1D(self.channels[-1], self.kernel, dtype=self.dtype, name="conv_in")(latent, history)
        for stage in reversed(range(len(self.channels))):
            for block in range(self.blocks):
                name = f"block_{stage}_{block}"
                x = ResidualBlock1D(self.channels[stage], self.kernel, 3**block, self.dtype, name=name)(x, history)
            stride = self.strides[stage]
            if stage > 0:
                up = CausalConv1D(self.channels[stage - 1] * stride, 2, dtype=self.dtype, name=f"up_{stage}")
                x = unfold(up(x, history), stride)
        x = nn.silu(nn.RMSNorm(NORM_EPSILON, dtype=self.dtype, name="norm_out")(x)).astype(jnp.float32)
        # Starts as silence, which is what most of many sounds is.
        last = CausalConv1D(self.samples * self.strides[0], 2, kernel_init=nn.initializers.zeros, name="waveform")
        return unfold(last(x, history), self.strides[0])
