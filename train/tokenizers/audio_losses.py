"""What makes two sounds alike: the multi-scale distance of log-mel spectrograms, as a loss.

In: sounds `float [B, S, C]`. Out: scalars to descend on. Knows nothing of nets.
"""

import jax
import jax.numpy as jnp

from reelm.evaluation.features.mel import mel_spectrogram

FLOOR = 0.1  # magnitude under which a band counts as silent: a voice reaches 1 to 30


def mel_distance(original: jax.Array, rebuilt: jax.Array, sample_rate: int, windows: tuple[int, ...]) -> jax.Array:
    """Mean absolute difference of log10-mel magnitudes, the mean over `windows`, with one band for every 8 samples.

    Short windows see when a tick sounds, long ones the pitch of a voice (descript-audio-codec, arXiv 2306.06546,
    section 3.4, with fewer scales).
    """

    def log_mel(sound: jax.Array, window: int) -> jax.Array:
        return jnp.log10(FLOOR + mel_spectrogram(jnp.moveaxis(sound, -1, 1), sample_rate, window, max(4, window // 8)))

    apart = [jnp.mean(jnp.abs(log_mel(original, window) - log_mel(rebuilt, window))) for window in windows]
    return sum(apart, jnp.zeros(())) / len(windows)
