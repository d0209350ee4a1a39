"""Clips of one size out of a folder of video files, to measure with.

Comes in: a folder with videos, animations and pictures, in folders or not. Goes out: for each file its name and clips
uint8 `[N, T, S, S, 3]`: the short side brought to S, the middle cut out, evenly spread over what is read. Knows nothing
of data sets.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from reelm.sampling.media import read_video
from reelm.tokenizer.request import RequestError

_log = logging.getLogger("reelm")

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m4v", ".gif", ".webp")
_READ = 300  # frames of each file, from its start


@dataclass(frozen=True, kw_only=True)
class Film:
    """Clips uint8 `[N, T, S, S, 3]` of one file; `name` is its path inside the folder."""

    name: str
    clips: np.ndarray


def files(folder: Path) -> list[Path]:
    """The videos under `folder`, by name; RequestError when there are none."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise RequestError(f"{folder} holds no video; files that end in {', '.join(SUFFIXES)} are read")
    return found


def films(folder: Path, *, clips: int, frames: int, side: int) -> Iterator[Film]:
    """Each file's clips of `frames` frames, so many that all files together give about `clips`, at least one each.

    Clips of one file do not overlap; a file of fewer frames is continued by its last. A file that cannot be read is
    left out, which the log `reelm` says; RequestError when that is every file.
    """
    paths, read = files(folder), 0
    for path in paths:
        try:
            video = square(read_video(path, max_frames=_READ).video, side)
        except RequestError as error:
            _log.warning("left out: %s", error)
            continue
        read += 1
        count = max(1, min(-(-clips // len(paths)), len(video) // frames))
        starts = np.linspace(0, max(0, len(video) - frames), count).round().astype(int)
        pieces = [video[start : start + frames] for start in starts]
        filled = [np.pad(piece, [(0, frames - len(piece)), *[(0, 0)] * 3], mode="edge") for piece in pieces]
        yield Film(name=str(path.relative_to(folder)), clips=np.stack(filled))
    if not read:
        raise RequestError(f"none of the {len(paths)} videos in {folder} can be read")


def square(video: np.ndarray, side: int) -> np.ndarray:
    """uint8 `[T, H, W, 3]` scaled so that its short side is `side`, and the middle square of that."""
    height, width = video.shape[1:3]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    middle = video[:, top : top + short, left : left + short]
    if short == side:
        return middle
    # Pillow's filters grow with the factor, so that nothing aliases.
    scaled = [Image.fromarray(frame).resize((side, side), Image.Resampling.BICUBIC) for frame in middle]
    return np.stack([np.asarray(frame) for frame in scaled])
