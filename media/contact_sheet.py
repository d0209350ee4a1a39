"""Clips side by side in one picture: a row for each clip, time from left to right.

In: videos. Out: a PNG file, which imageio writes, or its pixels. Knows nothing of where the clips come from.
"""

from collections.abc import Sequence
from pathlib import Path

import imageio.v3 as iio
import numpy as np

from reelm.storage.atomic import replacing

_GAP = 2  # pixels between cells
_GREY = 64  # their colour: black clips keep visible borders


def contact_sheet(
    videos: Sequence[np.ndarray], path: str | Path, *, columns: int | None = None, scale: int = 2
) -> None:
    """Write the videos (each uint8 [T,H,W,3], sizes may differ) as one PNG; the file appears whole or not at all.

    columns: frames shown of each clip, evenly spaced from its first to its last; None shows all.
    scale: whole factor by which pixels are repeated.
    """
    picture = sheet(videos, columns=columns, scale=scale)
    with replacing(path) as temporary:
        iio.imwrite(temporary, picture, extension=".png")


def sheet(videos: Sequence[np.ndarray], *, columns: int | None = None, scale: int = 2) -> np.ndarray:
    """Return the picture that `contact_sheet` writes: uint8 [H,W,3]."""
    if not videos:
        raise ValueError("a contact sheet needs at least one video")
    for video in videos:
        if video.dtype != np.uint8 or video.ndim != 4 or video.shape[-1] != 3 or len(video) == 0:
            raise ValueError(f"videos must be uint8 [T,H,W,3], got {video.dtype} {video.shape}")
    if scale < 1 or (columns is not None and columns < 1):
        raise ValueError(f"scale and columns start at 1, got {scale} and {columns}")
    shown = [video[_spread(len(video), columns)] for video in videos]
    cell_height = max(video.shape[1] for video in shown) * scale
    cell_width = max(video.shape[2] for video in shown) * scale
    row_height, column_width = cell_height + _GAP, cell_width + _GAP
    width = max(len(video) for video in shown) * column_width + _GAP
    picture = np.full((len(shown) * row_height + _GAP, width, 3), _GREY, np.uint8)
    for row, video in enumerate(shown):
        for column, frame in enumerate(video.repeat(scale, axis=1).repeat(scale, axis=2)):
            y, x = _GAP + row * row_height, _GAP + column * column_width
            picture[y : y + frame.shape[0], x : x + frame.shape[1]] = frame
    return picture


def _spread(length: int, columns: int | None) -> np.ndarray:
    """Return the indices of the frames to show of a clip of that length."""
    count = length if columns is None else min(columns, length)
    return np.linspace(0, length - 1, count).round().astype(int)
