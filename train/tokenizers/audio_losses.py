"""Losses of the audio tokenizer: their weights, and the multi-scale distance of log-mel spectrograms.

In: sounds `float [B, S, C]`. Out: scalars to descend on. Knows nothing of nets.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from reelm.evaluation.features.mel import mel_filters, mel_spectrogram, spectra
from reelm.tokenizer.audio.loudness import power
from reelm.train.step.fields import check_above, check_least

_SPECTRUM_WINDOWS = (256, 512, 1024)
_SOFTEST = 1e-3  # root mean square under which a frame counts as silent
_QUIET = 1e-2  # compressed magnitude under which a spectrum counts as silent
_ENVELOPE_WINDOWS = (256, 512)
_ENVELOPE_BANDS = 24
_FAINT = 1e-2  # share of the loudest band's amplitude under which a band counts as silent
_HEARD_HZ = 2500.0  # frequency up to which the ear follows a waveform rather than its loudness


@dataclass(frozen=True, kw_only=True)
class SoundLossWeights:
    """Weight of each term.

    Spectra count for most: at few bits a waveform can only be followed where it is loud, and what makes words is not.
    """

    waveform: float = 0.3
    """Weight of the mean absolute difference of samples."""
    power: float = 0.2
    """Weight of the mean squared difference of samples, relative to the mean square of the batch. Silence scores 1."""
    mel: float = 3.0
    """Weight of the multi-scale distance of log10-mel spectrograms."""
    mel_floor: float = 0.1
    """Magnitude under which a mel band counts as silent: a voice reaches 1 to 30."""
    spectrum: float = 0.0
    """Weight of the distance of complex spectra, compressed as the ear does. It teaches pitch and phase."""
    envelope: float = 0.0
    """Weight of the distance of the courses of mel bands, in units of each band's loudness. Loud syllables count most,
    as they do for who listens to words."""
    loudness: float = 0.0
    """Weight of the distance of the loudness of audio frames, in decades. Without it a net that is not sure of a pitch
    rather gives it softly."""
    commitment: float = 0.1
    """Weight of the squared distance between latents and the values of their codes."""
    sample_entropy: float = 0.0
    """Weight of the entropy of single bits, in nats a code, averaged over levels. It makes codes certain."""
    batch_entropy: float = 0.02
    """Weight of the entropy of codes over the batch, in nats a code. It spreads the use of codes."""
    temperature: float = 1.0
    """Temperature of the bit probabilities in both entropies."""
    adversarial: float = 0.0
    """Weight of the adversarial loss. 0 trains without a discriminator."""
    feature_matching: float = 2.0
    """Weight of the distance between discriminator features. It counts where `adversarial` is above 0."""
    adversarial_from: int = 0
    """First step at which the adversarial loss counts. The discriminator learns from step 0."""

    def __post_init__(self) -> None:
        check_above(self, 0, "temperature")
        check_above(self, 0, "mel_floor")
        check_least(self, 0, "spectrum", "envelope", "loudness", "adversarial", "feature_matching", "adversarial_from")


def mel_distance(
    original: jax.Array, rebuilt: jax.Array, sample_rate: int, windows: tuple[int, ...], floor: float
) -> jax.Array:
    """Mean absolute difference of log10-mel magnitudes, the mean over `windows`, with one band for every 8 samples.

    Short windows see when a tick sounds, long ones the pitch of a voice (descript-audio-codec, arXiv 2306.06546,
    section 3.4, with fewer scales). Magnitudes are compared from `floor` on.
    """

    def log_mel(sound: jax.Array, window: int) -> jax.Array:
        return jnp.log10(floor + mel_spectrogram(jnp.moveaxis(sound, -1, 1), sample_rate, window, max(4, window // 8)))

    apart = [jnp.mean(jnp.abs(log_mel(original, window) - log_mel(rebuilt, window))) for window in windows]
    return sum(apart, jnp.zeros(())) / len(windows)


def loudness_distance(original: jax.Array, rebuilt: jax.Array, hop: int) -> jax.Array:
    """Mean absolute difference of the log10 root mean squares of pieces of `hop` samples, compared from -60 dB on."""

    def loudness(sound: jax.Array) -> jax.Array:
        return 0.5 * jnp.log10(power(sound, hop) + _SOFTEST**2)

    return jnp.mean(jnp.abs(loudness(original) - loudness(rebuilt)))


def envelope_distance(original: jax.Array, rebuilt: jax.Array, sample_rate: int) -> jax.Array:
    """Mean squared difference of the amplitudes of mel bands over time, in units of the energy of each band.

    0 for the same course of all bands, 1 for silence, and never more. Bands far below the loudest of a sound count
    less.
    """

    def courses(sound: jax.Array, window: int) -> tuple[jax.Array, jax.Array]:
        spectrum = spectra(jnp.moveaxis(sound, -1, 1), window)
        power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
        bands = power @ mel_filters(sample_rate, window, _ENVELOPE_BANDS) + 1e-6
        return jnp.sqrt(bands), jnp.mean(bands, axis=2, keepdims=True)

    apart = jnp.zeros(())
    for window in _ENVELOPE_WINDOWS:
        (wanted, energy), (given, spent) = courses(original, window), courses(rebuilt, window)
        heard = energy + spent + _FAINT**2 * jnp.max(energy, axis=3, keepdims=True)
        apart += jnp.mean(jnp.square(given - wanted) / heard)
    return apart / len(_ENVELOPE_WINDOWS)


def spectrum_distance(original: jax.Array, rebuilt: jax.Array, sample_rate: int) -> jax.Array:
    """Mean squared difference of spectra whose magnitudes are replaced by their square roots, complex and magnitudes.

    Both sounds are in units of the original's root mean square, so that soft ones count as much. Low frequencies weigh
    more: there the ear follows phases. The magnitudes alone count twice, since where a phase cannot be known complex
    numbers would be nearest at zero (Braun and Tashev, arXiv 2009.12286, equation 4).
    """
    unit = 1 / (jnp.sqrt(jnp.mean(jnp.square(original), axis=1, keepdims=True)) + 1e-3)

    def compressed(sound: jax.Array, window: int) -> tuple[jax.Array, jax.Array, jax.Array]:
        spectrum = spectra(jnp.moveaxis(sound * unit, -1, 1), window) / window**0.5
        magnitude = jnp.sqrt(jnp.square(spectrum.real) + jnp.square(spectrum.imag) + 1e-12)
        scale = (magnitude + _QUIET) ** -0.5
        return spectrum.real * scale, spectrum.imag * scale, magnitude * scale

    apart = jnp.zeros(())
    for window in _SPECTRUM_WINDOWS:
        hz = np.linspace(0, sample_rate / 2, window // 2 + 1)
        weight = 1 / (1 + (hz / _HEARD_HZ) ** 2)
        real, imaginary, magnitude = (
            jnp.square(a - b) for a, b in zip(compressed(original, window), compressed(rebuilt, window), strict=True)
        )
        weighed = (real + imaginary) * (weight / weight.mean()).astype(np.float32)
        apart += jnp.mean(weighed + 2 * magnitude)
    return apart / len(_SPECTRUM_WINDOWS)
