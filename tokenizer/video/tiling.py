"""Cut frames into overlapping tiles of one size, and join the results without a visible seam.

In: lengths along one axis of a picture, in codes or in pixels. Out: the positions of tiles, the part of each that is
used, and its weights. A net that runs tile by tile needs memory for one tile; all tiles have one size, so it compiles
once. Pure NumPy: this module knows nothing of nets.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One tile along one axis. It covers [start, stop); [first, last) is the part that is nearest to its middle."""

    start: int
    stop: int
    first: int
    last: int


def cut(size: int, side: int, overlap: int) -> list[Tile]:
    """Return tiles of length `side` over [0, size), or one tile if `size` is less; neighbours share at least `overlap`.

    The parts [first, last) follow each other without gaps: each overlap is cut in its middle.
    """
    if size <= side:
        return [Tile(start=0, stop=size, first=0, last=size)]
    starts = [*range(0, size - side, side - overlap), size - side]
    cuts = [0, *((after + before + side) // 2 for before, after in zip(starts, starts[1:], strict=False)), size]
    return [
        Tile(start=start, stop=start + side, first=first, last=last)
        for start, first, last in zip(starts, cuts[:-1], cuts[1:], strict=True)
    ]


def map_codes(
    net: Callable[[np.ndarray], np.ndarray], video: np.ndarray, stride: int, side: int, overlap: int
) -> np.ndarray:
    """Encode clips `[B, T, H, W, 3]` to codes int32 `[B, t, h, w]` with `net`, in tiles of `side` x `side` codes.

    Each code comes from the tile in which it is farthest from a border.
    """
    height, width = (length // stride for length in video.shape[2:4])
    rows = []
    for row in cut(height, side, overlap):
        parts = []
        for column in cut(width, side, overlap):
            window = (slice(row.start * stride, row.stop * stride), slice(column.start * stride, column.stop * stride))
            ids = net(video[:, :, *window])
            parts.append(
                ids[
                    :,
                    :,
                    row.first - row.start : row.last - row.start,
                    column.first - column.start : column.last - column.start,
                ]
            )
        rows.append(np.concatenate(parts, axis=3))
    return np.concatenate(rows, axis=2)


def map_pixels(
    net: Callable[[np.ndarray], np.ndarray], ids: np.ndarray, stride: int, side: int, overlap: int
) -> np.ndarray:
    """Decode codes `[B, t, h, w]` to frames uint8 `[B, T, H, W, 3]` with `net`, in tiles of `side` x `side` codes.

    Pixels that tiles share are cross-faded.
    """
    rows, columns = cut(ids.shape[2], side, overlap), cut(ids.shape[3], side, overlap)
    if len(rows) == len(columns) == 1:
        return net(ids)
    total = weight = None
    for y, row in zip(_fades(rows, stride), rows, strict=True):
        for x, column in zip(_fades(columns, stride), columns, strict=True):
            part = net(ids[:, :, row.start : row.stop, column.start : column.stop])
            if total is None or weight is None:
                height, width = ids.shape[2] * stride, ids.shape[3] * stride
                total = np.zeros((*part.shape[:2], height, width, 3), np.float32)
                weight = np.zeros((height, width, 1), np.float32)
            fade = (y[:, None] * x)[..., None]
            window = (slice(row.start * stride, row.stop * stride), slice(column.start * stride, column.stop * stride))
            total[:, :, *window] += fade * part
            weight[*window] += fade
    assert total is not None and weight is not None
    return np.round(total / weight).astype(np.uint8)


def _fades(tiles: list[Tile], stride: int) -> list[np.ndarray]:
    """Return the weights of each tile's pixels; they rise linearly over the part that a neighbour shares."""
    fades = []
    for i, tile in enumerate(tiles):
        length = (tile.stop - tile.start) * stride
        fade, place = np.ones(length, np.float32), np.arange(length) + 0.5
        if i > 0:
            fade = np.minimum(fade, place / (stride * (tiles[i - 1].stop - tile.start)))
        if i + 1 < len(tiles):
            fade = np.minimum(fade, (length - place) / (stride * (tile.stop - tiles[i + 1].start)))
        fades.append(fade.astype(np.float32))
    return fades
