"""Cut recordings into pieces of sound at one rate.

In: a recording from a package. Out: pieces int16 [S], mono, 16 kHz, at most six seconds long, none of them silent.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reelm.errors import RequestError
from reelm.media.read import read_sound

from .sound_packages import Recording

SAMPLE_RATE = 16_000
SECONDS = 6.0  # of the longest piece
_SHORTEST = {"train": 0.25, "test": 1.0}  # seconds; measures of speech need a second
# Most pieces of one recording, so that a long piece of music does not dominate.
_OF_ONE = {
    "train": {"speech": 10, "music": 15, "effects": 5},
    "test": {"speech": 1, "music": 5, "effects": 1},
}
_SILENT = 1e-3  # largest peak of a silent piece


def pieces(recording: Recording) -> Iterator[np.ndarray]:
    """Yield the pieces of a recording, spread evenly over it; nothing of a damaged file."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"sound{recording.suffix}"
            file.write_bytes(recording.data)
            sound = read_sound(file, sample_rate=SAMPLE_RATE, channels=1).samples[:, 0]
    except RequestError:
        return  # packages hold a few files that no decoder reads
    samples = int(SECONDS * SAMPLE_RATE)
    starts = np.arange(0, len(sound), samples)
    most = _OF_ONE[recording.split][recording.kind]
    if len(starts) > most:
        starts = starts[np.linspace(0, len(starts) - 1, most + 2).round().astype(int)[1:-1]]
    for start in starts:
        piece = sound[start : start + samples]
        if len(piece) >= _SHORTEST[recording.split] * SAMPLE_RATE and np.abs(piece).max() > _SILENT:
            yield (piece * 32767).round().astype(np.int16)
