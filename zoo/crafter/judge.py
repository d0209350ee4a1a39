"""Judge a frame of Crafter after a key, tile by tile against the engine's own frame.

In: a `Case`, with frames, a key and the engine's next frame, and the next frame of a model. Out: arrays and bools. This
module knows neither engine nor models.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reelm.evaluation.scores.pictures import psnr as exact_psnr

from .game import LAND, TILE, VIEW

MIDDLE = (LAND // 2, VIEW // 2)  # row and column of the player's tile
TELLING = 4  # fewest tiles by which a right picture can be told from a wrong one
LIKE = 255**2 / 10 ** (25 / 10)  # largest mean squared error of a tile that matches a texture: 25 dB
_MOST = 100.0  # PSNR in dB of equal frames


@dataclass(frozen=True, eq=False)
class Case:
    """A key in a situation, and the engine's response.

    Attributes:
        kind: "moved", "blocked by tree", "do tree" and so on.
        key: the pressed key.
        way: (x, y) in tiles, the direction in which the player goes or looks.
        before: the T - 1 keys between the frames; None for no key.
        frames: uint8 `[T, 72, 72, 3]` of the engine before the key.
        after: uint8 `[72, 72, 3]`, the engine's next frame.
        sure: bool `[7, 9]`, tiles of land after the key that can be predicted: in view before, without a creature
            before or after, and not the player's.
    """

    kind: str
    key: str
    way: tuple[int, int]
    before: Sequence[str | None]
    frames: np.ndarray
    after: np.ndarray
    sure: np.ndarray

    @cached_property
    def wrong(self) -> np.ndarray:
        """The wrong picture uint8 `[72, 72, 3]`: a move that is ignored, or a move through an obstacle."""
        before = self.frames[-1]
        return before if self.kind == "moved" else shifted(before, self.way)

    @cached_property
    def telling(self) -> np.ndarray:
        """Bool `[7, 9]`: sure tiles in which the right and the wrong picture differ."""
        differ = (tiles(self.after) != tiles(self.wrong)).any(-1)[:LAND]
        return self.sure & differ & (np.ones_like(differ) if self.kind == "moved" else in_view(self.way))


def tiles(frames: np.ndarray) -> np.ndarray:
    """Return the tiles `[..., 9, 9, 192]` of frames `[..., 72, 72, 3]`."""
    cut = frames.reshape(*frames.shape[:-3], VIEW, TILE, VIEW, TILE, 3)
    return cut.swapaxes(-4, -3).reshape(*frames.shape[:-3], VIEW, VIEW, TILE * TILE * 3)


def in_view(way: tuple[int, int]) -> np.ndarray:
    """Return bool `[7, 9]`: tiles of land after a move that were in view before it."""
    rows, columns = np.arange(LAND) + way[1], np.arange(VIEW) + way[0]
    return ((rows >= 0) & (rows < LAND))[:, None] & ((columns >= 0) & (columns < VIEW))


def shifted(frame: np.ndarray, way: tuple[int, int]) -> np.ndarray:
    """Return a frame uint8 `[72, 72, 3]` with its land shifted by a move; it is right where it is `in_view`."""
    moved, height = frame.copy(), LAND * TILE
    moved[:height] = np.roll(frame[:height], (-way[1] * TILE, -way[0] * TILE), (0, 1))
    return moved


class Textures:
    """The distinct tiles of real frames."""

    def __init__(self) -> None:
        self._seen: dict[bytes, int] = {}
        self._nearest: dict[bytes, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def see(self, frames: np.ndarray) -> None:
        """Add the tiles of real frames uint8 `[..., 72, 72, 3]`."""
        for tile in {each.tobytes() for each in tiles(frames).reshape(-1, TILE * TILE * 3)}:
            self._seen.setdefault(tile, len(self._seen))
        self._nearest.clear()

    def nearest(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the index int `[..., 9, 9]` of the nearest texture of each tile, and whether it matches that texture.

        The match is needed because a tile that is unlike all textures has a nearest one too.
        """
        flat = [each.tobytes() for each in tiles(frames).reshape(-1, TILE * TILE * 3)]
        new = list({tile for tile in flat if tile not in self._nearest})
        known = _values(list(self._seen))
        for begin in range(0, len(new), 4096):
            part = new[begin : begin + 4096]
            far = _distances(_values(part), known)
            kinds = far.argmin(1)
            self._nearest |= zip(part, zip(kinds, far[np.arange(len(part)), kinds], strict=True), strict=True)
        kinds, errors = zip(*(self._nearest[tile] for tile in flat), strict=True)
        shape = (*frames.shape[:-3], VIEW, VIEW)
        return np.reshape(kinds, shape), np.reshape(errors, shape) <= LIKE


def _values(all_tiles: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(all_tiles), np.uint8).reshape(len(all_tiles), -1).astype(np.float64)


def _distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the mean squared differences `[n, m]` of tiles `[n, 192]` and `[m, 192]`."""
    squares = np.square(one).sum(1)[:, None] + np.square(other).sum(1)
    return (squares - 2 * one @ other.T) / one.shape[1]


def right_tiles(textures: Textures, case: Case, made: np.ndarray) -> np.ndarray:
    """Return bool `[9, 9]`: tiles of the model's frame whose nearest texture is the engine's."""
    return textures.nearest(made)[0] == textures.nearest(case.after)[0]


def obeyed(case: Case, made: np.ndarray) -> bool:
    """Return whether the land moved, or stayed if blocked: the frame is nearer to the right picture than to the wrong.

    Only tiles in which the two differ are compared.
    """
    land = [tiles(each)[:LAND][case.telling].astype(np.float64) for each in (made, case.after, case.wrong)]
    return bool(np.square(land[0] - land[1]).sum() < np.square(land[0] - land[2]).sum())


def did(case: Case, right: np.ndarray) -> tuple[bool, bool]:
    """Return whether the tile in front of the player is right, and whether all of the player's items are.

    right: bool `[9, 9]`, from `right_tiles`.
    """
    row, column = MIDDLE[0] + case.way[1], MIDDLE[1] + case.way[0]
    return bool(right[row, column]), bool(right[LAND:].all())


def psnr(real: np.ndarray, made: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB; equal frames have 100, so that means are finite."""
    return min(exact_psnr(real, made), _MOST)
