"""Draw sounds as log-mel spectrograms, one row for each pair of sounds.

In: pairs of sounds. Out: a PNG. This module knows nothing of models.
"""

from collections.abc import Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from PIL import Image

from reelm.storage.atomic import replacing

from .mel import mel_spectrogram

_WINDOW, _BANDS, _ROW = 512, 64, 2  # samples, bands, pixels a band
_LOUDEST, _RANGE = 20.0, 80.0  # dB


def spectrogram_sheet(pairs: Sequence[tuple[np.ndarray, np.ndarray]], sample_rate: int, path: Path) -> None:
    """Write a PNG of original and rebuilt sounds `[S, C]`: a row for each pair, first channel, low tones below."""
    rows = [
        np.concatenate([np.pad(_picture(sound, sample_rate), 2, constant_values=64) for sound in pair])
        for pair in pairs
    ]
    width = max(row.shape[1] for row in rows)
    sheet = np.concatenate([np.pad(row, ((0, 6), (0, width - row.shape[1]))) for row in rows])
    with replacing(path) as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG")


def _picture(sound: np.ndarray, sample_rate: int) -> np.ndarray:
    mel = np.asarray(mel_spectrogram(jnp.asarray(sound[:, 0]), sample_rate, _WINDOW, _BANDS))
    shade = np.clip((20 * np.log10(mel + 1e-6) - _LOUDEST) / _RANGE + 1, 0, 1)
    return np.repeat((255 * shade).astype(np.uint8).T[::-1], _ROW, axis=0)
