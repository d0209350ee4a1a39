"""The audio decoder: quantized latents `[B, F, D]` to samples `float [B, S, C]`, about in [-1, 1]."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.tokenizer.history import History

from . import cosine, loudness, pitch, spectra
from .convolution import NORM_EPSILON, CausalConv1D, ResidualBlock1D, dilation, unfold


class AudioDecoder(nn.Module):
    """The decoder net; its stages mirror those of the encoder."""

    samples: int  # channels of the sound: 1 or 2
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    blocks: int
    kernel: int
    loudness_bits: int = 0
    pitch_at: int | None = None  # index in a latent of the first sign of the pitch
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, latent: jax.Array, history: History) -> jax.Array:
        x = CausalConv1D(self.channels[-1], self.kernel, dtype=self.dtype, name="conv_in")(latent, history)
        for stage in reversed(range(len(self.channels))):
            for block in range(self.blocks):
                name = f"block_{stage}_{block}"
                x = ResidualBlock1D(self.channels[stage], self.kernel, dilation(block), self.dtype, name=name)(
                    x, history
                )
            stride = self.strides[stage]
            if stage > 0:
                up = CausalConv1D(self.channels[stage - 1] * stride, 2, dtype=self.dtype, name=f"up_{stage}")
                x = unfold(up(x, history), stride)
        x = nn.silu(nn.RMSNorm(NORM_EPSILON, dtype=self.dtype, name="norm_out")(x)).astype(jnp.float32)
        if self.loudness_bits:
            return self._cosine(x, latent, history)
        return self._spectra(x, history)

    def _cosine(self, x: jax.Array, latent: jax.Array, history: History) -> jax.Array:
        amplitude = loudness.amplitude(latent[..., : self.loudness_bits])
        number = self.samples * cosine.coefficients(self.strides[0])
        direction = nn.Dense(number, name="direction")(x)
        # All frequencies start with nearly the same size, so that all of them learn.
        even = nn.initializers.variance_scaling(0.3, "fan_in", "truncated_normal")
        size = nn.Dense(number, kernel_init=even, name="size")(x)
        wave: jax.Array | float = 0.0
        if self.pitch_at is not None:
            wave = self._wave(x, latent[..., self.pitch_at :][..., : self.loudness_bits], history)
        return cosine.synthesize(direction, size, self.strides[0], amplitude, history, wave)

    def _wave(self, x: jax.Array, signs: jax.Array, history: History) -> jax.Array:
        """Return a wave `[B, F, coefficients, C]` of the pitch that the signs encode; zeros where it is not known."""
        # Start with a soft wave of some phase: an amplitude of zero would have no gradient.
        zeros, ones, soft = nn.initializers.zeros, nn.initializers.ones, nn.initializers.constant(-2.0)
        phase = nn.Dense(2 * self.samples, kernel_init=zeros, bias_init=ones, name="wave_phase")(x)
        size = nn.Dense(self.samples, kernel_init=zeros, bias_init=soft, name="wave_size")(x)
        parts = phase.reshape(*x.shape[:2], 2, self.samples) * cosine.magnitude(size)[:, :, None]
        waves = pitch.waves(signs, self.strides[0], cosine.coefficients(self.strides[0]), history)
        return jnp.einsum("bfpc,bfps->bfsc", parts * jnp.abs(signs[..., :1, None]), waves)

    def _spectra(self, x: jax.Array, history: History) -> jax.Array:
        numbers = spectra.features(self.samples, self.strides[0])
        # Start near silence, as most of many sounds is silent. Log magnitudes are the first third of the channels.
        quiet = nn.initializers.zeros
        magnitudes = nn.Dense(
            numbers // 3, kernel_init=quiet, bias_init=nn.initializers.constant(-5.0), name="loudness"
        )(x)
        phase = nn.Dense(2 * numbers // 3, name="phase")(x)
        return spectra.synthesize(jnp.concatenate([magnitudes, phase], axis=-1), self.strides[0], history)
