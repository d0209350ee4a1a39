"""Spoken digits: recordings of "zero" to "nine" by many speakers, those of training apart from those of testing.

Goes out: a `VoiceSet` of short mono recordings at 8 kHz, trimmed and of one loudness. They ship with the package as
8-bit mu-law (ITU-T G.711's curve), as which most of them were telephone speech already; `make_voices.py` gathers them
anew, `VOICES_LICENSE.txt` says whose they are. `more_voices.py` gathers further ones. Pure numpy; knows nothing of
pictures.
"""

from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from reelm.storage.home import home

Split = Literal["train", "test"]

VOICES_FILE = Path(__file__).with_name("voices.npz")
VOICES_RATE = 8_000

_MU = 255.0


@dataclass(frozen=True, eq=False)
class VoiceSet:
    """Recordings of one split: `digits` and `speakers` int[N]; `speakers` indexes `names`.

    Attributes:
        name: says which set this is: clips drawn from different sets differ.
        codes: uint8, the mu-law samples of all recordings one after the other.
        ends: int[N], where each recording ends in `codes`.
    """

    name: str
    names: tuple[str, ...]
    digits: np.ndarray = field(repr=False)
    speakers: np.ndarray = field(repr=False)
    codes: np.ndarray = field(repr=False)
    ends: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        return len(self.digits)

    def recording(self, index: int) -> np.ndarray:
        """Return a recording, float32 [S] in [-1, 1] at `VOICES_RATE`."""
        return from_mu_law(self.codes[self.ends[index - 1] if index else 0 : self.ends[index]])

    @cached_property
    def takes(self) -> dict[tuple[int, int], np.ndarray]:
        """Return the indices int [n] of the recordings of each (speaker, digit); shipped speakers say every digit."""
        pairs = [(speaker, digit) for speaker in range(len(self.names)) for digit in range(10)]
        return {(s, d): np.flatnonzero((self.speakers == s) & (self.digits == d)) for s, d in pairs}


@cache
def load(split: Split) -> VoiceSet:
    """Return the shipped recordings of a split; no speaker is in both splits."""
    return read(VOICES_FILE, split)


def more_voices_file() -> Path:
    """Return the file in which `more` searches."""
    return home() / "more_voices.npz"


def more(split: Split) -> VoiceSet:
    """Return more speakers to train with, where `more_voices.py` gathered them; else, and for testing, see `load`."""
    file = more_voices_file()
    return read(file, split) if split == "train" and file.exists() else load(split)


def read(path: Path, part: str) -> VoiceSet:
    """Return the recordings of one part of a file."""
    with np.load(path, allow_pickle=False) as arrays:
        fields = {name: arrays[f"{part}_{name}"] for name in ("names", "digits", "speakers", "codes", "ends")}
    names = tuple(fields.pop("names").tolist())
    for array in fields.values():  # every caller shares them, so nobody may write to them
        array.flags.writeable = False
    return VoiceSet(f"{path.stem}/{part}", names, **fields)


def to_mu_law(samples: np.ndarray) -> np.ndarray:
    """Return samples in [-1, 1] as uint8."""
    curved = np.sign(samples) * np.log1p(_MU * np.abs(samples)) / np.log1p(_MU)
    return np.round((curved + 1) * 127.5).astype(np.uint8)


def from_mu_law(codes: np.ndarray) -> np.ndarray:
    """Return uint8 samples as float32 in [-1, 1]."""
    curved = codes.astype(np.float32) / np.float32(127.5) - 1
    return (np.sign(curved) * np.expm1(np.abs(curved) * np.log1p(_MU)) / _MU).astype(np.float32)
