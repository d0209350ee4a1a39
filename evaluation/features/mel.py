"""Mel spectrograms for losses, scores and the judge of spoken digits.

In: samples. Out: magnitudes in bands that are spaced as the ear hears pitch. As in torchaudio's `MelSpectrogram` with
power 1 and without centring, filters are triangles of height 1 on the HTK scale, 2595 log10(1 + f / 700), and windows
are Hann windows. This module knows nothing of models.
"""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np


@cache
def mel_filters(sample_rate: int, window: int, bands: int) -> np.ndarray:
    """Return the weight of each frequency in each band, up to Nyquist: float32 `[window / 2 + 1, bands]`."""
    highest = 2595 * np.log10(1 + sample_rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, highest, bands + 2) / 2595) - 1)
    hz = np.linspace(0, sample_rate / 2, window // 2 + 1)[:, None]
    rising = (hz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hz) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def spectra(sound: jax.Array, window: int) -> jax.Array:
    """Return complex spectra `[..., N, window / 2 + 1]` of `float [..., S]`, a quarter window apart, not padded."""
    hop = window // 4
    quarters = sound[..., : sound.shape[-1] // hop * hop].reshape(*sound.shape[:-1], -1, hop)
    count = quarters.shape[-2] - 3
    frames = jnp.concatenate([quarters[..., i : i + count, :] for i in range(4)], axis=-1)
    return jnp.fft.rfft(frames * np.hanning(window + 1)[:window].astype(np.float32))


def mel_spectrogram(sound: jax.Array, sample_rate: int, window: int, bands: int) -> jax.Array:
    """Return the magnitudes `[..., N, bands]` of `float [..., S]`."""
    spectrum = spectra(sound, window)
    # Without the added constant, the gradient of the root is not finite for silence.
    magnitude = jnp.sqrt(jnp.square(spectrum.real) + jnp.square(spectrum.imag) + 1e-12)
    return magnitude @ mel_filters(sample_rate, window, bands)
