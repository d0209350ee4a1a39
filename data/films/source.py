"""The clips of a set that `reelm data build` made of a folder, by index.

Comes in: the set's folder, a split, a length. Goes out: a `ClipSource` of clips that stand by shape. Knows nothing of
how the set was made beyond what its `build.json` says.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from reelm.data.clips import CaptionedClip, ShapeRun
from reelm.data.stored_clip import decode
from reelm.errors import RequestError

from .build import Built, open_built


@dataclass(frozen=True, eq=False)
class FolderClips:
    """Clips of one split; `shapes` says how many of each shape stand after one another.

    `firsts` are the records at which the runs of `shapes` begin, and clips are cut to those runs' frames.
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
        record = self.records[self.firsts[at] + int(index) - (ends[at] - run.clips)]
        clip: CaptionedClip = {
            "video": decode(record["video"], run.frames),
            "captions": tuple(caption.decode() for caption in record["captions"]),
            "fps": float(record["fps"]),
        }
        if len(record["audio"]):
            rate = int(record["sample_rate"])
            samples = round(run.frames * rate / clip["fps"])
            clip["audio"] = record["audio"][:samples, None].astype(np.float32) / 32767
            clip["sample_rate"] = rate
        return clip


def open_folder(folder: Path, split: str, num_frames: int | None, num_clips: int | None) -> FolderClips:
    """The clips of a split that have `num_frames` frames or more, cut to as many; None takes each whole.

    Raises RequestError when the set has no such split or too few such clips.
    """
    from . import tfds as folder_tfds  # TFDS takes a second to import: only those who read built sets pay it

    built = open_built(folder.name, folder.parent)
    if split not in built.splits:
        raise RequestError(f"{folder} has no split {split!r}; there are {', '.join(built.splits)}")
    shapes, firsts = _chosen(built, split, num_frames, num_clips)
    found = sum(run.clips for run in shapes)
    if found < (num_clips or 1):
        longest = max(frames for _, frames, _, _ in built.splits[split])
        raise RequestError(
            f"{folder} has {found} clips of {num_frames or 1} frames or more in {split}, not {num_clips or 1}; "
            f"its longest have {longest}"
        )
    description = {"dataset": folder.name, "split": split, "num_frames": num_frames, "files": built.fields["files"]}
    return FolderClips(description, shapes, firsts, folder_tfds.records(folder.name, folder.parent, split))


def _chosen(
    built: Built, split: str, num_frames: int | None, num_clips: int | None
) -> tuple[tuple[ShapeRun, ...], tuple[int, ...]]:
    shapes, firsts, first, room = [], [], 0, num_clips
    for clips, frames, height, width in built.splits[split]:
        taken = clips if room is None else min(clips, room)
        if taken and frames >= (num_frames or 1):
            shapes.append(ShapeRun(taken, num_frames or frames, height, width))
            firsts.append(first)
            room = None if room is None else room - taken
        first += clips
    return tuple(shapes), tuple(firsts)
