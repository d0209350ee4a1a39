"""Read pictures from users: paths, bytes, arrays of NumPy or JAX, images of Pillow, and clips where one is allowed."""

import os
import tempfile
import weakref
from typing import Any, BinaryIO

import numpy as np

from reelm.errors import RequestError
from reelm.lm.specials import MOST_REFERENCES
from reelm.media.clip import Clip
from reelm.media.formats.pictures import pixels_of
from reelm.value_checks import array

Picture = str | os.PathLike[str] | np.ndarray
FileContent = bytes | bytearray | memoryview | BinaryIO  # becomes a path


class HeldFile(os.PathLike[str]):
    """The content of a file that a user gives, on disk for as long as it is held: it is read as every file is."""

    def __init__(self, content: bytes | bytearray | memoryview):
        file, self._path = tempfile.mkstemp(prefix="reelm-")
        self._bytes = len(content)
        weakref.finalize(self, os.unlink, self._path)
        with open(file, "wb") as written:
            written.write(content)

    def __fspath__(self) -> str:
        return self._path

    def __str__(self) -> str:
        return f"{self._bytes} bytes"


def read_source(name: str, value: Any, *, clips: bool = False) -> Any:
    """Return a path or, with `clips`, a Clip as it is, and anything else as an array; RequestError if it cannot be.

    The content of a file, as bytes or as an open file, becomes a path.
    """
    if callable(getattr(value, "read", None)):
        value = value.read()
    if isinstance(value, bytes | bytearray | memoryview):
        return HeldFile(value)
    if isinstance(value, str | os.PathLike) or (clips and isinstance(value, Clip)):
        return value
    if isinstance(value, Clip) or value is None:
        raise RequestError(f"{name} is {'a Clip' if value else 'None'}; give a path or an array")
    if hasattr(value, "getbands"):  # Pillow's
        return pixels_of(value, name)
    found = array(name, value)
    if found.ndim == 0:
        raise RequestError(f"{name} is a {type(value).__name__}; give a path or an array of numbers")
    return found


def read_references(pictures: Any) -> tuple[Picture, ...] | None:
    """Return references, each as a path or an array; RequestError if they are not a list of 1 to 4 pictures."""
    if pictures is None:
        return None
    if not isinstance(pictures, list | tuple):
        raise RequestError(f"references are a {type(pictures).__name__}; give a list of pictures")
    if not 1 <= len(pictures) <= MOST_REFERENCES:
        raise RequestError(f"there are {len(pictures)} references; give 1 to {MOST_REFERENCES} pictures")
    return tuple(read_source(f"reference {number}", each) for number, each in enumerate(pictures, 1))
