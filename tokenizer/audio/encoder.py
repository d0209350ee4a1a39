"""The audio encoder: whole hops of samples `float [B, S, C]` in [-1, 1] to latents `[B, F, D]` in [-2, 2].

With `loudness_bits`, the first values of a latent are the signs of the loudness and the nets see blocks scaled to one
loudness; otherwise they see short-time spectra. With `pitch_at`, the values from there on are the signs of the pitch.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.tokenizer.history import History

from . import cosine, loudness, pitch, spectra
from .convolution import NORM_EPSILON, CausalConv1D, ResidualBlock1D, dilation, fold


class AudioEncoder(nn.Module):
    """Spectra, then stages of residual blocks, each stage at a coarser rate."""

    latent: int
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    blocks: int
    kernel: int
    loudness_bits: int = 0
    pitch_at: int | None = None  # index in a latent of the first sign of the pitch
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, sound: jax.Array, history: History) -> jax.Array:
        step, bits, loud, high = self.strides[0], self.loudness_bits, [], []
        if bits:
            loud = [loudness.signs(sound, step, bits)]
            amplitude = loudness.amplitude(loud[0])
            x = cosine.analyse(sound, step, amplitude, history)
            if self.pitch_at is not None:
                high = [pitch.signs(sound, step, bits, history)]
                wave = cosine.projection(sound, pitch.waves(high[0], step, step, history), amplitude)
                x = jnp.concatenate([x, *high, wave], axis=-1)
        else:
            x = spectra.analyse(sound, step, history)
        x = nn.Dense(self.channels[0], dtype=self.dtype, name="spectra")(x)
        for stage, (width, stride) in enumerate(zip(self.channels, self.strides, strict=True)):
            if stage > 0:
                # Two folded steps: a window twice as long as the stride.
                x = CausalConv1D(width, 2, dtype=self.dtype, name=f"down_{stage}")(fold(x, stride), history)
            for block in range(self.blocks):
                name = f"block_{stage}_{block}"
                size = (width, self.kernel, dilation(block), self.dtype)
                x = ResidualBlock1D(*size, name=name)(x, history)
        x = nn.silu(nn.RMSNorm(NORM_EPSILON, dtype=self.dtype, name="norm_out")(x))
        # In full precision, because the signs become the code; bounded, because codes cannot express larger values.
        own = nn.Dense(self.latent - bits * (len(loud) + len(high)), name="latent")(x.astype(jnp.float32))
        own = 2.0 * jnp.tanh(own)
        split = (self.pitch_at or self.latent) - bits
        return jnp.concatenate([*loud, own[..., :split], *high, own[..., split:]], axis=-1)
