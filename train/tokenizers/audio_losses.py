"""Losses of the audio tokenizer: their weights, and the multi-scale distance of log-mel spectrograms.

In: sounds `float [B, S, C]`. Out: scalars to descend on. Knows nothing of nets.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from reelm.evaluation.features.mel import mel_spectrogram
from reelm.train.step.fields import check_above, check_least

FLOOR = 0.1  # magnitude under which a band counts as silent: a voice reaches 1 to 30


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
        check_least(self, 0, "adversarial", "feature_matching", "adversarial_from")


def mel_distance(original: jax.Array, rebuilt: jax.Array, sample_rate: int, windows: tuple[int, ...]) -> jax.Array:
    """Mean absolute difference of log10-mel magnitudes, the mean over `windows`, with one band for every 8 samples.

    Short windows see when a tick sounds, long ones the pitch of a voice (descript-audio-codec, arXiv 2306.06546,
    section 3.4, with fewer scales).
    """

    def log_mel(sound: jax.Array, window: int) -> jax.Array:
        return jnp.log10(FLOOR + mel_spectrogram(jnp.moveaxis(sound, -1, 1), sample_rate, window, max(4, window // 8)))

    apart = [jnp.mean(jnp.abs(log_mel(original, window) - log_mel(rebuilt, window))) for window in windows]
    return sum(apart, jnp.zeros(())) / len(windows)
