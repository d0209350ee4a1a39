"""The data set of any sound: its pieces by index, speech, music and effects in turn.

In: the folder of the packages that `fetch_sounds.py` fetches; then a split. Out: a `ClipSource` of sounds. There are no
pictures, so each clip has one black frame that lasts as long as its sound.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from reelm.data.clips import CaptionedClip, ShapeRun
from reelm.data.stored_set import Array, Record, Reordered, StoredClips, StoredSet, long_enough
from reelm.errors import RequestError
from reelm.progress import Progress, silent
from reelm.storage.home import datasets_folder

from .pieces import SAMPLE_RATE, pieces
from .sound_packages import KINDS, SPLITS, Kind, Split, read_packages

_SIDE = 8  # of the black frame
# The repeating order of the kinds of training clips: more than half is speech, which varies most.
_ORDER = ("speech", "music", "speech", "effects", "speech")
_EPOCH = 100_000  # clips
_FIELDS = {"audio": Array((None,), np.int16), "sample_rate": np.int32, "source": str}
_ABOUT = """
Pieces of sound, 16 kHz and mono, at most six seconds long: speech in some thirty languages, music and effects, out of
Debian packages of games, teachers' programs and telephone systems. Splits are "train_speech", "test_music" and so on:
no speaker, piece of music or package of effects is in both. "source" is the package and the file in it. Each package
keeps the licence of its sounds in its file `copyright`.
"""


@dataclass(frozen=True, eq=False)
class _InTurn(Sequence[Record]):
    """Records of several kinds in turn, in the repeating `order` of kinds."""

    records: Mapping[str, Sequence[Record]]
    order: tuple[str, ...]
    length: int

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: Any) -> Any:
        around, place = divmod(int(index), len(self.order))
        kind = self.order[place]
        number = around * self.order.count(kind) + self.order[:place].count(kind)
        return self.records[kind][number % len(self.records[kind])]


def _clip(record: Record, frames: int) -> CaptionedClip:
    sound = record["audio"].astype(np.float32) / 32767
    return {
        "video": np.zeros((frames, _SIDE, _SIDE, 3), np.uint8),
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

    def open(self, split: str, *, num_frames: int | None = None, num_clips: int | None = None) -> StoredClips:
        """Open the first clips of a split; see `DataSet.open`. Each has one frame."""
        records = {kind: self.open_kind(split, kind) for kind in KINDS}
        count = _EPOCH if split == "train" else len(KINDS) * min(map(len, records.values()))
        runs = (ShapeRun(count, 1, _SIDE, _SIDE),)
        shapes, firsts = long_enough(self.name, split, runs, num_frames, num_clips)
        in_turn = _InTurn(records, _ORDER if split == "train" else KINDS, count)
        return StoredClips({"dataset": self.name, "split": split}, shapes, firsts, in_turn, _clip)

    def open_kind(self, split: str, kind: Kind) -> Sequence[Record]:
        """Return the records of one kind, with packages mixed."""
        stored = self._stored()
        if not stored.is_written:
            where = stored.data_dir
            raise RequestError(f"no {self.name} in {where}; build it there first (reelm data build {self.name})")
        records = stored.records(f"{split}_{kind}")
        return Reordered(records, np.random.default_rng(0).permutation(len(records)))

    def build(self, *, packages: Path | None = None, progress: Progress = silent) -> Path:
        """Write the set to `data_dir`; see `BuildableSet.build`.

        packages: folder of the packages. Default: `$REELM_HOME/any_sound`.
        """
        if self.config is not None:
            raise RequestError(f"{self.name} has one configuration, not {self.config!r}; leave the size out")
        shards = {f"{split}_{kind}": [partial(_examples, packages, split, kind)] for split in SPLITS for kind in KINDS}
        return self._stored().write(shards, progress)

    def _stored(self) -> StoredSet:
        where = self.data_dir or datasets_folder()
        return StoredSet(name=self.name, data_dir=where, version="1.0.0", fields=_FIELDS, about=_ABOUT)


def _examples(packages: Path | None, split: Split, kind: Kind) -> Iterator[dict[str, Any]]:
    for recording in read_packages(packages, split, kind):
        for piece in pieces(recording):
            yield {"audio": piece, "sample_rate": SAMPLE_RATE, "source": recording.source}
