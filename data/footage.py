"""Read square clips from a folder of video files, to measure tokenizers with.

In: a folder with videos and animations, in sub-folders or not. Out: for each file its name and clips uint8
`[N, T, S, S, 3]`, spread over its length: the short side is scaled to S and the centre is cropped. Only the clips of a
film, and one frame at its own size, are in memory. Knows nothing of data sets.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from reelm.data.films.listing import listed
from reelm.errors import RequestError
from reelm.media.read import stream_video

_log = logging.getLogger("reelm")

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m4v", ".gif", ".webp")


@dataclass(frozen=True, kw_only=True)
class SquareClips:
    """Clips uint8 `[N, T, S, S, 3]` of one file; `name` is its path inside the folder."""

    name: str
    clips: np.ndarray


def files(folder: Path) -> list[Path]:
    """Return the videos under `folder`, sorted by name; RequestError if there are none.

    Files and folders that cannot be listed are left out, which the log `reelm` says.
    """
    found = []
    for name, fault in listed(folder):
        if fault:
            _log.warning("left out: %r: %s", name, fault)
        elif Path(name).suffix.lower() in SUFFIXES:
            found.append(folder / name)
    found.sort()
    if not found:
        raise RequestError(f"{folder} holds no video; files that end in {', '.join(SUFFIXES)} are read")
    return found


def square_clips(folder: Path, *, clips: int, frames: int, side: int) -> Iterator[SquareClips]:
    """Yield clips of `frames` frames from each file: at least one a file, about `clips` in all.

    Clips of one file do not overlap; the last frame of a shorter file repeats. A file that cannot be read is left out,
    which the log `reelm` says; RequestError when that is every file.
    """
    paths, read = files(folder), 0
    for path in paths:
        try:
            taken = clips_of(path, clips=-(-clips // len(paths)), frames=frames, side=side)
        except RequestError as error:
            _log.warning("left out: %s", error)
            continue
        read += 1
        yield SquareClips(name=str(path.relative_to(folder)), clips=taken)
    if not read:
        raise RequestError(f"none of the {len(paths)} videos in {folder} can be read")


def clips_of(path: Path, *, clips: int, frames: int, side: int) -> np.ndarray:
    """Return up to `clips` clips uint8 `[N, T, S, S, 3]` of one whole file; see `square_clips`."""
    length = sum(1 for _ in stream_video(path))  # by decoding all of it, because headers may be wrong
    if not length:
        raise RequestError(f"{str(path)!r} holds no frames; give a video of at least one")
    count = max(1, min(clips, length // frames))
    starts = [i * max(0, length - frames) // max(1, count - 1) for i in range(count)]
    inside = {start + i for start in starts for i in range(frames)}
    seen = enumerate(islice(stream_video(path), starts[-1] + frames))
    kept = np.stack([square(frame.pixels, side) for index, frame in seen if index in inside])
    padded = np.pad(kept, [(0, count * frames - len(kept)), *[(0, 0)] * 3], mode="edge")
    return padded.reshape(count, frames, side, side, 3)


def square(frame: np.ndarray, side: int) -> np.ndarray:
    """Return the middle square of a frame uint8 `[H, W, 3]`, scaled to `side` pixels."""
    height, width = frame.shape[:2]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    middle = frame[top : top + short, left : left + short]
    if short == side:
        return middle
    # Pillow's filters grow with the scale, so nothing aliases.
    return np.asarray(Image.fromarray(middle).resize((side, side), Image.Resampling.BICUBIC))
