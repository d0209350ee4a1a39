"""Write a WAV file."""

import wave
from pathlib import Path

import numpy as np

from reelm.storage.atomic import replacing


def write_wav(sound: np.ndarray, sample_rate: int, path: Path) -> None:
    """Write sound `[S, C]` in [-1, 1] as 16-bit WAV, whole or not at all."""
    with replacing(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setparams((sound.shape[1], 2, sample_rate, len(sound), "NONE", ""))
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
