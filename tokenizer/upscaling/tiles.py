"""Cut frames into a grid of tiles of one size. Tiles do not overlap; each is cut with the pixels that the net sees
around it.

In: frames. Out: frames padded to whole tiles and their surroundings; and pictures joined from tiles twice as large.
Pure NumPy.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

LARGEST = 128  # pixels of the side of a tile
_STEP = 16  # sides of tiles are multiples of it, so that frames of similar sizes share a compiled program


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The tiles of a frame.

    Attributes:
        height, width: of the frame.
        tile: height and width of a tile.
        rows, columns: number of tiles; the last ones may reach beyond the frame.
    """

    height: int
    width: int
    tile: tuple[int, int]
    rows: int
    columns: int

    @classmethod
    def of(cls, height: int, width: int) -> Self:
        """Return the grid of a frame, with as few and as small tiles as cover it."""
        rows, columns = (-(-side // LARGEST) for side in (height, width))
        tall, wide = (-(-side // (count * _STEP)) * _STEP for side, count in ((height, rows), (width, columns)))
        return cls(height=height, width=width, tile=(tall, wide), rows=rows, columns=columns)

    def size(self, halo: int) -> tuple[int, int]:
        """Return height and width of the whole grid with `halo` pixels around it."""
        return self.rows * self.tile[0] + 2 * halo, self.columns * self.tile[1] + 2 * halo

    def filled(self, frames: np.ndarray, halo: int) -> np.ndarray:
        """Pad frames `[..., height, width, 3]` to `size(halo)` by repeating the pixels at the border."""
        tall, wide = self.size(halo)
        around = ((halo, tall - self.height - halo), (halo, wide - self.width - halo))
        return np.pad(frames, (*[(0, 0)] * (frames.ndim - 3), *around, (0, 0)), mode="edge")

    def joined(self, tiles: np.ndarray) -> np.ndarray:
        """Join tiles `[B, n, 2h, 2w, 3]`, in order of rows, to pictures `[B, 2 height, 2 width, 3]`."""
        batch, _, tall, wide, _ = tiles.shape
        rows = tiles.reshape(batch, self.rows, self.columns, tall, wide, 3).swapaxes(2, 3)
        return rows.reshape(batch, self.rows * tall, self.columns * wide, 3)[:, : 2 * self.height, : 2 * self.width]
