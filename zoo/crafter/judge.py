"""What is right in a frame of Crafter after a key: read tile by tile, beside the engine's own frame.

Comes in: a `Case`, of frames and a key before and the engine's frame after them, and a frame that somebody made in its
place. Goes out: plain answers. Knows neither engine nor models.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reelm.evaluation.scores.pictures import psnr as exact_psnr

from .game import LAND, TILE, VIEW

MIDDLE = (LAND // 2, VIEW // 2)  # row and column of the player's tile
TELLING = 4  # fewest tiles that tell a picture from what it must not be

_LIKE = 255**2 / 10 ** (25 / 10)  # mean squared error of a tile that is still seen as a texture: 25 dB
_MOST = 100.0  # dB of equal frames


@dataclass(frozen=True, eq=False)
class Case:
    """A key in a situation, and what the engine makes of it.

    Attributes:
        kind: "moved", "blocked by tree", "do tree" and so on.
        key: that is pressed.
        way: (x, y) in tiles, where the player goes, or stands before.
        before: the T - 1 keys that made the frames after the first, None for none.
        frames: uint8 `[T, 72, 72, 3]`, the engine's up to the key.
        after: uint8 `[72, 72, 3]`, the engine's next frame.
        sure: bool `[7, 9]`, tiles of land after the key that follow from what was seen: in view before, without a
            creature before or after, and not the player's.
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
        """The picture uint8 `[72, 72, 3]` of a move that is not obeyed, or of one through what blocks it."""
        before = self.frames[-1]
        return before if self.kind == "moved" else shifted(before, self.way)

    @cached_property
    def telling(self) -> np.ndarray:
        """Bool `[7, 9]`: sure tiles that tell the right picture from the wrong one."""
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
    """Return a frame uint8 `[72, 72, 3]` with its land after a move: right where it is `in_view`."""
    moved, height = frame.copy(), LAND * TILE
    moved[:height] = np.roll(frame[:height], (-way[1] * TILE, -way[0] * TILE), (0, 1))
    return moved


class Textures:
    """The tiles that real frames show, each of which is a kind of its own."""

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
        """Return the kind int `[..., 9, 9]` that each tile of frames is nearest to, and whether it is one of that kind.

        Bool, for all that is no such thing is nearest to something, too.
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
        return np.reshape(kinds, shape), np.reshape(errors, shape) <= _LIKE


def _values(all_tiles: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(all_tiles), np.uint8).reshape(len(all_tiles), -1).astype(np.float64)


def _distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the mean squared differences `[n, m]` of tiles `[n, 192]` and `[m, 192]`."""
    squares = np.square(one).sum(1)[:, None] + np.square(other).sum(1)
    return (squares - 2 * one @ other.T) / one.shape[1]


def right_tiles(textures: Textures, case: Case, made: np.ndarray) -> np.ndarray:
    """Return bool `[9, 9]`: tiles of the frame that was made whose nearest texture is the engine's."""
    return textures.nearest(made)[0] == textures.nearest(case.after)[0]


def obeyed(case: Case, made: np.ndarray) -> bool:
    """Return whether the land was moved, or stayed where it was blocked: it is nearer to the engine's than otherwise.

    Of the tiles that tell.
    """
    land = [tiles(each)[:LAND][case.telling].astype(np.float64) for each in (made, case.after, case.wrong)]
    return bool(np.square(land[0] - land[1]).sum() < np.square(land[0] - land[2]).sum())


def did(case: Case, right: np.ndarray) -> tuple[bool, bool]:
    """Return whether the tile before the player, and all that the player has, became what they become in the engine.

    right: bool `[9, 9]`, as from `right_tiles`.
    """
    row, column = MIDDLE[0] + case.way[1], MIDDLE[1] + case.way[0]
    return bool(right[row, column]), bool(right[LAND:].all())


def psnr(real: np.ndarray, made: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB, which is 100 for equal frames: a mean of it is to be a number."""
    return min(exact_psnr(real, made), _MOST)
