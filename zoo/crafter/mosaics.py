"""Mosaics of the tiles of a game, in which all kinds of tiles are equally frequent.

Most of a game's picture is grass. A tokenizer that sees a diamond once in ten thousand frames gives it the code of a
stone. A tokenizer that sees one tile at a time can be trained on mosaics instead.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from reelm.data.recordings.recording import Recording
from reelm.media.pixels import Frames


def tiles_of(pictures: Iterable[Frames], side: int) -> np.ndarray:
    """Return the distinct tiles uint8 `[N, side, side, 3]` in pictures `[T, H, W, 3]`, in a fixed order.

    side: of a tile in pixels, a multiple of 8 that divides height and width.
    """
    weights = np.random.default_rng(0).integers(1 << 63, size=side * side * 3 // 8, dtype=np.uint64) * 2 + 1
    kinds: dict[int, bytes] = {}
    for frames in pictures:
        t, h, w, _ = frames.shape
        tiles = frames.reshape(t, h // side, side, w // side, side, 3).swapaxes(2, 3).reshape(-1, side * side * 3)
        # Compare tiles by a sum over groups of eight bytes; sorting whole tiles takes a hundred times as long.
        marks, places = np.unique((tiles.view(np.uint64) * weights).sum(axis=1), return_index=True)
        for mark, place in zip(marks.tolist(), places, strict=True):
            if mark not in kinds:
                kinds[mark] = tiles[place].tobytes()
    return np.frombuffer(b"".join(sorted(kinds.values())), np.uint8).reshape(-1, side, side, 3)


def mosaics(tiles: np.ndarray, like: Recording, count: int, seed: int) -> Iterator[Recording]:
    """Yield recordings of the size of `like` with random tiles at all positions and without keys."""
    rng, side = np.random.default_rng(seed), tiles.shape[1]
    frames, height, width = like.frames.shape[:3]
    for _ in range(count):
        drawn = tiles[rng.integers(len(tiles), size=(frames, height // side, width // side))]
        pictures = drawn.swapaxes(2, 3).reshape(frames, height, width, 3)
        yield Recording(pictures, np.zeros_like(like.keys), like.key_names, like.fps)
