"""Sets of recordings: their pieces by index, with the keys of each frame.

In: the folder of a built set, a split. Out: a `ClipSource`.
"""

from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from reelm.data.clips import CaptionedClip, ShapeRun
from reelm.data.stored_set import Record, StoredClips, long_enough

from .build import Recorded, open_built, stored


def _clip(fps: float, record: Record, frames: int) -> CaptionedClip:
    return {"video": record["frames"][:frames], "captions": ("",), "fps": fps, "keys": record["keys"][:frames]}


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

    def open(self, split: str, *, num_frames: int | None = None, num_clips: int | None = None) -> StoredClips:
        """Open the first pieces of a split; see `DataSet.open`."""
        made = self._made
        runs = (ShapeRun(made.splits[split], *made.shape),)
        shapes, firsts = long_enough(self.folder, split, runs, num_frames, num_clips)
        description = {
            "dataset": self.name,
            "split": split,
            "num_frames": shapes[0].frames,
            "keys": list(made.key_names),
            "keys_at_once": made.at_once,
        }
        records = stored(self.name, self.folder.parent, made.shape, len(made.key_names)).records(split)
        return StoredClips(description, shapes, firsts, records, partial(_clip, made.fps))

    @cached_property
    def _made(self) -> Recorded:
        return open_built(self.folder)
