"""Read pictures from users: paths, arrays of NumPy or JAX, images of Pillow, and clips where a clip is allowed."""

import os
from typing import Any

import numpy as np

from reelm.errors import RequestError
from reelm.lm.specials import MOST_REFERENCES
from reelm.media.clip import Clip
from reelm.media.formats.pictures import pixels_of
from reelm.value_checks import array

Picture = str | os.PathLike[str] | np.ndarray


def read_source(name: str, value: Any, *, clips: bool = False) -> Any:
    """Return a path or, with `clips`, a Clip as it is, and anything else as an array; RequestError if it cannot be."""
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
