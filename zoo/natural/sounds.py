"""The set of any sound: its pieces by index, speech, music and effects in turn.

Comes in: the folder of the built set, a split. Goes out: a `ClipSource` of sounds. There is no picture, so each clip
has one black frame that lasts as long as its sound.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reelm.data.clips import CaptionedClip, ShapeRun
from reelm.errors import RequestError
from reelm.progress import Progress, silent
from reelm.storage.home import datasets_folder

from .pieces import SAMPLE_RATE
from .sound_packages import KINDS, SPLITS, Kind

_SIDE = 8  # of the black frame
# The kinds of training clips, over and over: more than half is speech, which varies most.
_ORDER = ("speech", "music", "speech", "effects", "speech")
_EPOCH = 100_000  # clips


@dataclass(frozen=True, eq=False)
class SoundClips:
    """The clips of one split.

    Attributes:
        split: "train" or "test".
        num_clips: how many there are.
        order: the kind of each clip, over and over.
        records: of each kind.
    """

    split: str
    num_clips: int
    order: tuple[str, ...]
    records: Mapping[str, Sequence[dict[str, Any]]]

    @property
    def description(self) -> dict[str, Any]:
        return {"dataset": "any_sound", "split": self.split}

    @property
    def shapes(self) -> tuple[ShapeRun, ...]:
        return (ShapeRun(self.num_clips, 1, _SIDE, _SIDE),)

    def __len__(self) -> int:
        return self.num_clips

    def __getitem__(self, index: int) -> CaptionedClip:
        if not 0 <= index < self.num_clips:
            raise IndexError(f"clip {index} of {self.num_clips}")
        round_, place = divmod(int(index), len(self.order))
        kind = self.order[place]
        number = round_ * self.order.count(kind) + self.order[:place].count(kind)
        sound = self.records[kind][number % len(self.records[kind])]["audio"].astype(np.float32) / 32767
        return {
            "video": np.zeros((1, _SIDE, _SIDE, 3), np.uint8),
            "captions": ("",),
            "fps": SAMPLE_RATE / len(sound),
            "audio": sound[:, None],
            "sample_rate": SAMPLE_RATE,
        }


@dataclass(frozen=True)
class AnySoundSet:
    """Sound of any kind, built from packages that the user fetches.

    data_dir: folder of built sets. Default: `$REELM_HOME/datasets`.
    config: None; there is one configuration.
    """

    name = "any_sound"
    summary = "speech, music and effects without pictures: 16 kHz, mono, at most 6 s, built from packages"
    splits = SPLITS
    held_back = "test"
    drawn = False

    data_dir: Path | None = None
    config: str | None = None

    def open(self, split: str, *, num_frames: int | None = None, num_clips: int | None = None) -> SoundClips:
        """Open the first clips of a split; see `DataSet.open`. Each has one frame."""
        order = _ORDER if split == "train" else KINDS
        records = {kind: self.open_kind(split, kind) for kind in KINDS}
        count = _EPOCH if split == "train" else len(KINDS) * min(map(len, records.values()))
        if (num_clips or 1) > count:
            raise RequestError(f"{self.name} has {count} clips in {split}, not {num_clips}")
        return SoundClips(split, num_clips or count, order, records)

    def open_kind(self, split: str, kind: Kind) -> Sequence[dict[str, Any]]:
        """Return the records of one kind, in an order that mixes packages."""
        from . import tfds  # it takes a second to import

        records = tfds.open_built(self.data_dir or datasets_folder(), "train" if split == "train" else "test", kind)
        return _Mixed(records, np.random.default_rng(0).permutation(len(records)))

    def build(self, *, packages: Path | None = None, progress: Progress = silent) -> Path:
        """Write the set to `data_dir`; see `BuildableSet.build`.

        packages: folder of the packages. Default: `$REELM_HOME/any_sound`.
        """
        if self.config is not None:
            raise RequestError(f"{self.name} has one configuration, not {self.config!r}; leave the size out")
        from . import tfds

        return tfds.build(self.data_dir or datasets_folder(), packages, progress)


@dataclass(frozen=True, eq=False)
class _Mixed(Sequence[dict[str, Any]]):
    """Records in another order."""

    records: Sequence[dict[str, Any]]
    order: np.ndarray

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: Any) -> Any:
        return self.records[int(self.order[index])]
