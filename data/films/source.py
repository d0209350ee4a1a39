"""A set built from films: its clips by index.

In: the folder of the set, a split, a length. Out: a `ClipSource` whose clips are ordered by shape. It reads only
`build.json` of how the set was made.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from reelm.data.clips import CaptionedClip
from reelm.data.stored_clip import decode
from reelm.data.stored_set import Record, StoredClips, long_enough

from .build import Built, open_built, stored


def _clip(record: Record, frames: int) -> CaptionedClip:
    """Return the first frames of a record, and their sound."""
    clip: CaptionedClip = {
        "video": decode(record["video"], frames),
        "captions": tuple(caption.decode() for caption in record["captions"]),
        "fps": float(record["fps"]),
    }
    if len(record["audio"]):
        rate = int(record["sample_rate"])
        samples = round(frames * rate / clip["fps"])
        clip["audio"] = record["audio"][:samples, None].astype(np.float32) / 32767
        clip["sample_rate"] = rate
    return clip


@dataclass(frozen=True)
class FilmSet:
    """A set that `reelm data build FOLDER` made; `folder` is where it was written."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def summary(self) -> str:
        """The number of clips in each split, and all shapes; RequestError if the set is damaged."""
        runs = self._built.splits
        counts = ", ".join(f"{sum(run.clips for run in each)} in {split}" for split, each in runs.items())
        shapes = sorted({run[1:] for each in runs.values() for run in each})
        return f"clips: {counts}; of {', '.join('x'.join(map(str, shape)) for shape in shapes)}; in {self.folder}"

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self._built.splits)

    @property
    def held_back(self) -> str:
        """The split "test", or "train" for a set of one file, which has no other split."""
        return "test" if "test" in self.splits else "train"

    def open(self, split: str, *, num_frames: int | None = None, num_clips: int | None = None) -> StoredClips:
        """Open the first clips of a split that have `num_frames` frames or more, cut to that length.

        Without `num_frames` every clip keeps its own length. RequestError if there are fewer clips.
        """
        shapes, firsts = long_enough(self.folder, split, self._built.splits[split], num_frames, num_clips)
        description = {
            "dataset": self.name,
            "split": split,
            "num_frames": num_frames,
            "files": self._built.contents.files,
            "settings": self._built.contents.config,
        }
        records = stored(self.name, self.folder.parent).records(split)
        return StoredClips(description, shapes, firsts, records, _clip)

    @cached_property
    def _built(self) -> Built:
        return open_built(self.folder.name, self.folder.parent)
