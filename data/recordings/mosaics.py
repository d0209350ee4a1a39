"""Mosaics of all the tiles of a game: each kind of tile as often as any other.

Most of a game's picture is grass. A tokenizer that sees a diamond once in ten thousand frames gives it the code of a
stone. To one that sees one tile at a time a mosaic is as good as a picture.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from reelm.media.pixels import Frames

from .recording import Recording


def tiles_of(pictures: Iterable[Frames], side: int) -> np.ndarray:
    """Return every kind of tile uint8 `[N, side, side, 3]` in pictures `[T, H, W, 3]`, in an order of their own."""
    kinds: set[bytes] = set()
    for frames in pictures:
        t, h, w, c = frames.shape
        tiles = frames.reshape(t, h // side, side, w // side, side, c).swapaxes(2, 3).reshape(-1, side * side * c)
        kinds.update(row.tobytes() for row in np.unique(tiles, axis=0))
    return np.frombuffer(b"".join(sorted(kinds)), np.uint8).reshape(-1, side, side, 3)


def mosaics(tiles: np.ndarray, like: Recording, count: int, seed: int) -> Iterator[Recording]:
    """Yield recordings of the size of another, in whose frames every place is any tile, and no key is held."""
    rng, side = np.random.default_rng(seed), tiles.shape[1]
    frames, height, width = like.frames.shape[:3]
    grid = height // side, width // side
    for _ in range(count):
        drawn = tiles[rng.integers(len(tiles), size=(frames, *grid))]
        yield Recording(
            drawn.swapaxes(2, 3).reshape(frames, height, width, 3), np.zeros_like(like.keys), like.key_names, like.fps
        )


def balanced(pieces: Sequence[Recording], side: int, count: int, seed: int) -> list[Recording]:
    """Return mosaics of the tiles in pieces of recordings."""
    return list(mosaics(tiles_of((piece.frames for piece in pieces), side), pieces[0], count, seed))
