"""An independent judge of spoken digits: hears a sound alone and says which digits are named in it, in their order.

Comes in: the sound of a clip, real, rebuilt or generated. Goes out: digits. A small convolutional net over log-mel
spectra, trained by connectionist temporal classification (Graves et al. 2006) on voices that no test clip has
(`train_spoken_digits.py`), so it was never told where a word begins. It hears up to 4 kHz, as over a telephone, at any
loudness; ticks and silence name nothing. Knows nothing of tokenizers, language models or prompts.
"""

from pathlib import Path
from typing import cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from reelm.evaluation.features.mel import mel_spectrogram
from reelm.evaluation.scores.sound import is_silent
from reelm.media.sound import as_float_sound, check_rate, resample, with_channels
from reelm.storage.tensors import load_params

WEIGHTS_FILE = Path(__file__).with_name("spoken_judge.safetensors")
RATE = 8_000
BLANK = 10  # the class of moments at which no digit is recognised

_WINDOW, _BANDS = 256, 40
_RANGE = 2.5  # decades of magnitude below the loudest moment that are heard
_BUCKET = RATE // 2  # sounds are filled up to whole half seconds: few lengths are compiled


class SpokenDigitNet(nn.Module):
    """Spectra `[B, N, bands]`, 8 ms apart -> logits `[B, N / 4, 11]`, the last of them for BLANK."""

    width: int = 64

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for layer, (stride, dilation) in enumerate([(2, 1), (2, 1), (1, 1), (1, 2), (1, 4)]):
            y = nn.Conv(self.width, (5,), strides=stride, kernel_dilation=dilation, name=f"conv_{layer}")(x)
            y = nn.relu(nn.LayerNorm(name=f"norm_{layer}")(y))
            x = y if y.shape != x.shape else x + y
        return nn.Dense(BLANK + 1, name="logits")(x)


def read(sound: np.ndarray, sample_rate: int) -> tuple[int, ...]:
    """Return the digits named in a sound `[S]` or `[S, C]`, in order; () if there are none."""
    sound = with_channels(as_float_sound(sound), 1)
    if is_silent(sound[0], check_rate(sample_rate)):
        return ()
    sound = resample(sound, sample_rate, RATE)[0, :, 0]
    sound = np.pad(sound, (0, -len(sound) % _BUCKET))
    return collapse(np.asarray(_jit_logits(load_params(WEIGHTS_FILE), sound[None]))[0].argmax(-1))


def collapse(moments: np.ndarray) -> tuple[int, ...]:
    """Return the digits of the likeliest classes. Repetitions are merged; blanks separate equal digits."""
    changes = np.flatnonzero(np.diff(moments, prepend=-1))
    return tuple(int(moments[i]) for i in changes if moments[i] != BLANK)


def features(sound: jax.Array) -> jax.Array:
    """Return the input of the net for sounds `[B, S]` at RATE: `[B, N, bands]` in [0, 1], 1 at each sound's loudest."""
    mel = mel_spectrogram(sound, RATE, _WINDOW, _BANDS)
    loudest = jnp.max(mel, axis=(1, 2), keepdims=True)
    return jnp.maximum(0, 1 + jnp.log10(mel / jnp.maximum(loudest, 1e-3)) / _RANGE)


def logits(params: dict, seen: jax.Array) -> jax.Array:
    """`[B, N, bands]` -> `[B, N / 4, 11]`."""
    return cast(jax.Array, SpokenDigitNet().apply({"params": params}, seen))


_jit_logits = jax.jit(lambda params, sound: logits(params, features(sound)))
