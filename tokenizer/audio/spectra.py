"""Causal short-time spectra: convert samples to spectra for the audio encoder, and spectra to samples for the decoder.

A step is `step` samples. A window is the four steps that end with it, or in synthesis the four that begin with it.
Windows lean towards the present by half a step: an analysis sees the newest samples at full weight, and a synthesized
sound can start at once. Overlapping windows need not sum to one, since nets are between analysis and synthesis.
Magnitudes are logarithms in both directions: loudness is then a sum, which nets learn far sooner than from samples
(Vocos, arXiv 2306.00814). This module knows nothing of codes.
"""

import jax
import jax.numpy as jnp
import numpy as np

from reelm.tokenizer.history import History

STEPS = 4  # in a window
_QUIET = 1e-2  # magnitude below which the phase of a spectrum means nothing
_LOUDEST = 5.0  # largest log magnitude: exp(5) is far above any sound in [-1, 1]


def features(channels: int, step: int) -> int:
    """Return the number of features of one step: a log magnitude and two phase values per channel and frequency."""
    return 3 * channels * (STEPS * step // 2 + 1)


def analyse(sound: jax.Array, step: int, history: History) -> jax.Array:
    """Return the spectra `[B, T, features]`, about in [-1, 1], of sound `float [B, T step, C]` in [-1, 1]."""
    batch, samples, channels = sound.shape
    pieces = history.join(sound.reshape(batch, samples // step, step, channels), pad=STEPS - 1, keep=STEPS - 1)
    count = samples // step
    windows = jnp.concatenate([pieces[:, i : i + count] for i in range(STEPS)], axis=2)
    spectrum = jnp.fft.rfft(windows * _window(step)[::-1, None], axis=2, norm="ortho")
    # Without the added constant, the gradient of the root is not finite for silence.
    magnitude = jnp.sqrt(jnp.square(spectrum.real) + jnp.square(spectrum.imag) + 1e-12)
    loud = magnitude + _QUIET
    parts = [jnp.log10(loud) + 1, spectrum.real / loud, spectrum.imag / loud]
    return jnp.concatenate(parts, axis=2).reshape(batch, count, -1)


def synthesize(x: jax.Array, step: int, history: History) -> jax.Array:
    """Return samples `[B, T step, C]` of `float [B, T, features]`: natural logarithms of magnitudes, then phases."""
    batch, count, _ = x.shape
    bins = STEPS * step // 2 + 1
    loudness, real, imaginary = jnp.split(x.reshape(batch, count, 3 * bins, -1), 3, axis=2)
    scale = jnp.exp(jnp.minimum(loudness, _LOUDEST)) * jax.lax.rsqrt(jnp.square(real) + jnp.square(imaginary) + 1e-6)
    windows = jnp.fft.irfft(jax.lax.complex(scale * real, scale * imaginary), axis=2, norm="ortho")
    windows = history.join(windows * _window(step)[:, None], pad=STEPS - 1, keep=STEPS - 1)
    # The newest window's first step, the second step of the one before it, and so on.
    parts = [windows[:, STEPS - 1 - i : STEPS - 1 - i + count, i * step : (i + 1) * step] for i in range(STEPS)]
    return sum(parts[1:], parts[0]).reshape(batch, count * step, -1)


def _window(step: int) -> np.ndarray:
    """Return the window float32 [STEPS step]: it rises over half a step and falls over the rest."""
    rise = step / 2
    places = np.arange(STEPS * step) + 0.5
    way = np.where(places < rise, places / rise, (STEPS * step - places) / (STEPS * step - rise))
    return (np.sin(np.pi / 2 * way) ** 2).astype(np.float32)
