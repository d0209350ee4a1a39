"""A recording of a game: its frames, and the keys that were held while each of them was made.

As a file it is an `.npz` of NumPy, which any engine can write:

    frames      uint8 [T, H, W, 3]  in RGB
    keys        bool [T, K]         keys[t] made frame t out of frame t - 1; keys[0] is ignored
    key_names   str [K]
    fps         float               frames a second

A folder of them, one for each episode, all of one size, rate and set of keys, is what `reelm data build` imports.
"""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reelm.errors import RequestError, reason
from reelm.media.limits import MAX_FPS, MIN_FPS
from reelm.media.pixels import Frames
from reelm.storage.arrays import check_packed
from reelm.value_checks import within

SUFFIX = ".npz"


@dataclass(frozen=True, eq=False)
class Recording:
    """One episode.

    Attributes:
        frames: uint8 `[T, H, W, 3]`.
        keys: bool `[T, K]`.
        key_names: K of them, all different.
        fps: frames a second.

    Raises:
        RequestError: the arrays do not fit together.
    """

    frames: Frames
    keys: np.ndarray
    key_names: tuple[str, ...]
    fps: float

    def __post_init__(self) -> None:
        frames, keys = self.frames, self.keys
        if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or not frames.size:
            raise RequestError(f"frames are {frames.dtype}{list(frames.shape)}; they must be uint8 [T, H, W, 3]")
        wanted = (len(frames), len(self.key_names))
        if keys.shape != wanted or keys.dtype != bool:
            raise RequestError(f"keys are {keys.dtype}{list(keys.shape)}; they must be bool{list(wanted)}")
        if not self.key_names or len(set(self.key_names)) < len(self.key_names) or not all(self.key_names):
            raise RequestError(f"key_names are {list(self.key_names)}; they must be one or more different names")
        within("fps", self.fps, MIN_FPS, MAX_FPS)

    def save(self, path: Path) -> None:
        """Write the recording as a file."""
        np.savez_compressed(
            path, frames=self.frames, keys=self.keys, key_names=np.array(self.key_names), fps=np.float64(self.fps)
        )

    @classmethod
    def open(cls, path: Path) -> "Recording":
        """Return the recording in a file; RequestError when it is not one."""
        with _arrays(path) as arrays:
            names = tuple(map(str, arrays["key_names"].tolist()))
            return cls(arrays["frames"], arrays["keys"], names, float(arrays["fps"]))

    @staticmethod
    def length_of(path: Path) -> int:
        """Return the number of frames of the recording in a file, without reading them."""
        with _arrays(path) as arrays:
            return len(arrays["keys"])

    def cut(self, frames: int) -> Sequence["Recording"]:
        """Return the recording in pieces of `frames` frames; the rest at its end is dropped."""
        firsts = range(0, len(self.frames) - frames + 1, frames)
        return [
            Recording(self.frames[at : at + frames], self.keys[at : at + frames], self.key_names, self.fps)
            for at in firsts
        ]


@contextmanager
def _arrays(path: Path) -> Iterator[Mapping[str, np.ndarray]]:
    """Open the arrays of a file, each read when it is accessed; RequestError if one of them cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            check_packed(archive)
        with np.load(path, allow_pickle=False) as arrays:
            yield arrays
    except RequestError as error:
        raise RequestError(f"{path}: {error}") from error
    except Exception as error:  # NumPy and zipfile raise many types of errors for a damaged file
        raise RequestError(f"{path} is not a recording ({reason(error)})") from error
