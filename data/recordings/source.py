"""Sets of recordings: their pieces by index, with the keys of each frame.

Comes in: the folder of a built set, a split. Goes out: a `ClipSource`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from reelm.data.clips import CaptionedClip, ShapeRun
from reelm.errors import RequestError

from .build import Recorded, open_built


@dataclass(frozen=True, eq=False)
class RecordedClips:
    """The pieces of one split, cut to `num_frames` frames."""

    name: str
    split: str
    num_frames: int
    num_clips: int
    recorded: Recorded
    records: Sequence[dict[str, Any]]

    @property
    def description(self) -> dict[str, Any]:
        what = {"dataset": self.name, "split": self.split, "num_frames": self.num_frames}
        return {**what, "keys": list(self.recorded.key_names), "keys_at_once": self.recorded.at_once}

    @property
    def shapes(self) -> tuple[ShapeRun, ...]:
        return (ShapeRun(self.num_clips, self.num_frames, *self.recorded.shape[1:]),)

    def __len__(self) -> int:
        return self.num_clips

    def __getitem__(self, index: int) -> CaptionedClip:
        if not 0 <= index < self.num_clips:
            raise IndexError(f"clip {index} of {self.num_clips}")
        record = self.records[int(index)]
        return {
            "video": record["frames"][: self.num_frames],
            "captions": ("",),
            "fps": self.recorded.fps,
            "keys": record["keys"][: self.num_frames],
        }


@dataclass(frozen=True)
class RecordedSet:
    """A set of recordings in a folder."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def summary(self) -> str:
        made = self._made
        counts = ", ".join(f"{count} in {split}" for split, count in made.splits.items())
        shape = "x".join(map(str, made.shape))
        return f"{made.source}, keys {' '.join(made.key_names)}; clips: {counts}; of {shape}; in {self.folder}"

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self._made.splits)

    @property
    def held_back(self) -> str:
        return "test" if "test" in self.splits else "train"

    def open(self, split: str, *, num_frames: int | None = None, num_clips: int | None = None) -> RecordedClips:
        """Open the first pieces of a split; see `DataSet.open`."""
        from . import tfds  # it takes a second to import

        made = self._made
        count, frames = made.splits[split], made.shape[0]
        if (num_clips or 1) > count or (num_frames or 1) > frames:
            raise RequestError(
                f"{self.folder} has {count} clips of {frames} frames in {split}, not {num_clips or 1} of "
                f"{num_frames or 1}"
            )
        records = tfds.records(self.name, self.folder.parent, (*made.shape, 3), len(made.key_names), split)
        return RecordedClips(self.name, split, num_frames or frames, num_clips or count, made, records)

    @cached_property
    def _made(self) -> Recorded:
        return open_built(self.folder)
