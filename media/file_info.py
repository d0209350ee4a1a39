"""The metadata of a clip's file: size, block scale and rate of the clip in it, and its `info`, as JSON.

In and out: the text of a comment, and complete files on the way to their names. Knows nothing of codecs.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reelm.errors import RequestError
from reelm.storage.atomic import replacing

from .limits import MAX_FPS, MIN_FPS
from .pixels import Frames

_KEY = "reelm"


@dataclass(frozen=True, kw_only=True)
class FileLayout:
    """The shape of a clip inside its file.

    Attributes:
        height, width: of the clip, in pixels; the file may have one row and one column more.
        scale: side of the block that each pixel became.
        fps: frames a second.
        frames: of the clip, if the file may hold fewer because it merges equal neighbours; else None.
    """

    height: int
    width: int
    scale: int
    fps: float
    frames: int | None = None

    def __post_init__(self) -> None:
        counts = (1 if self.frames is None else self.frames, self.height, self.width, self.scale)
        if not (all(type(count) is int and count >= 1 for count in counts) and MIN_FPS <= self.fps <= MAX_FPS):
            raise ValueError(f"no layout of a clip: {self}")

    def undone(self, video: Frames) -> Frames:
        """Return the clip's own pixels from the file's [T,H,W,3]; those of a resized file are returned unchanged."""
        height, width = self.height * self.scale, self.width * self.scale
        rows_added, columns_added = video.shape[1] - height, video.shape[2] - width
        if not (0 <= rows_added <= 1 and 0 <= columns_added <= 1):
            return video
        video = video[:, :height, :width]
        if self.scale == 1:
            return video
        blocks = video.reshape(len(video), self.height, self.scale, self.width, self.scale, 3)
        # The mean of a block averages out the codec's error.
        return np.stack([np.round(frame.mean(axis=(1, 3))).astype(np.uint8) for frame in blocks])


@contextmanager
def finished(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path to write a clip's file of any format to; see `replacing`.

    After the `yield` the file is complete and not yet renamed. A last step that all formats share belongs there.
    """
    with replacing(path) as temporary:
        yield temporary


def to_comment(layout: FileLayout, info: dict[str, Any]) -> str:
    """Return the comment of a file; RequestError when JSON cannot hold `info`."""
    try:
        # ASCII, so that no text in a prompt (NUL, lone surrogates) can break the container's metadata.
        return json.dumps({**info, _KEY: asdict(layout)}, default=_plain)
    except (TypeError, ValueError) as error:
        raise RequestError(f"a clip's info holds what JSON cannot ({error}); give numbers and text") from error


def of_comment(comment: str | None) -> tuple[FileLayout | None, dict[str, Any]]:
    """Return the layout and the `info` in a comment; None and empty when another program wrote the file."""
    try:
        info = json.loads(comment or "")
        layout = FileLayout(**info.pop(_KEY))
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None, {}
    return layout, info


def _plain(value: object) -> object:
    """Return NumPy and JAX numbers and arrays, and paths, as types that JSON has."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        return value.tolist()  # type: ignore[attr-defined]
    raise TypeError(f"a {type(value).__name__}")
