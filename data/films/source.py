"""A set built from films: its clips by index.

Comes in: the folder of the set, a split, a length. Goes out: a `ClipSource` whose clips are ordered by shape. Of how
the set was made it reads `build.json` alone.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from reelm.data.clips import CaptionedClip, ShapeRun
from reelm.data.stored_clip import decode
from reelm.errors import RequestError, reason

from .build import Built, open_built


@dataclass(frozen=True, eq=False)
class FilmClips:
    """The clips of one split, ordered by shape and cut to the frames in `shapes`.

    `firsts` are the numbers of the records at which the runs of `shapes` begin.
    """

    description: dict[str, Any]
    shapes: tuple[ShapeRun, ...]
    firsts: tuple[int, ...]
    records: Sequence[dict[str, Any]]

    def __len__(self) -> int:
        return sum(run.clips for run in self.shapes)

    def __getitem__(self, index: int) -> CaptionedClip:
        if not 0 <= index < len(self):
            raise IndexError(f"clip {index} of {len(self)}")
        ends = list(accumulate(run.clips for run in self.shapes))
        at = bisect_right(ends, int(index))
        run = self.shapes[at]
        number = self.firsts[at] + int(index) - (ends[at] - run.clips)
        try:
            return _clip(self.records[number], run.frames)
        except Exception as error:  # ArrayRecord, protobuf and FFmpeg say in many ways that a record is damaged
            name = self.description["dataset"]
            raise RequestError(
                f"record {number} of {name} is damaged ({reason(error)}); build the set again"
            ) from error


def _clip(record: dict[str, Any], frames: int) -> CaptionedClip:
    """Return the first frames of a record, and the sound beside them."""
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
        runs = {split: [ShapeRun(*run) for run in runs] for split, runs in self._built.splits.items()}
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

    def open(self, split: str, *, num_frames: int | None = None, num_clips: int | None = None) -> FilmClips:
        """Open the first clips of a split that have `num_frames` frames or more, cut to that length.

        Without `num_frames` every clip keeps its own length. RequestError if there are fewer clips.
        """
        from . import tfds  # it takes a second to import

        shapes, firsts = _chosen(self._built, split, num_frames, num_clips)
        found = sum(run.clips for run in shapes)
        if found < (num_clips or 1):
            longest = max(frames for _, frames, _, _ in self._built.splits[split])
            raise RequestError(
                f"{self.folder} has {found} clips of {num_frames or 1} frames or more in {split}, "
                f"not {num_clips or 1}; its longest have {longest}"
            )
        description = {
            "dataset": self.name,
            "split": split,
            "num_frames": num_frames,
            "files": self._built.contents.files,
            "settings": self._built.contents.config,
        }
        return FilmClips(description, shapes, firsts, tfds.records(self.name, self.folder.parent, split))

    @cached_property
    def _built(self) -> Built:
        return open_built(self.folder.name, self.folder.parent)


def _chosen(
    built: Built, split: str, num_frames: int | None, num_clips: int | None
) -> tuple[tuple[ShapeRun, ...], tuple[int, ...]]:
    """Return the shapes of the clips that are long enough, and the first record of each."""
    shapes, firsts, first, left = [], [], 0, num_clips
    for clips, frames, height, width in built.splits[split]:
        taken = clips if left is None else min(clips, left)
        if taken and frames >= (num_frames or 1):
            shapes.append(ShapeRun(taken, num_frames or frames, height, width))
            firsts.append(first)
            left = None if left is None else left - taken
        first += clips
    return tuple(shapes), tuple(firsts)
