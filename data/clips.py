"""The interfaces of data sets and of their clips."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, Protocol, TypedDict

import numpy as np

from reelm.errors import RequestError
from reelm.progress import Progress, silent

_NAME = re.compile(r"[a-z][a-z0-9_]*")


class CaptionedClip(TypedDict):
    """One clip: video uint8 [T, H, W, 3], its frame rate and its captions.

    A clip has one caption or more; training draws one of them each time. A clip with sound also has audio float32
    [S, C] and its sample rate in Hz. A clip of a game has keys bool [T, K], those held while each frame was made. Where
    they are known, it has tracks float32 [n, T, 2], (x, y) of each subject in the order of the words, as shares of
    width and height, camera float32 [T, 3], as for `lm.control.camera`, and controls, films uint8 [T, H, W, 3] by their
    kind, such as depth.

    A clip of a story has references uint8 [n, H, W, 3], pictures of its subjects, which its reference captions call <1>
    to <n>. Its next shot is a clip of the same length, with the same references: its first frame is the last one before
    a cut, and its captions are about all that follows.
    """

    video: np.ndarray
    captions: tuple[str, ...]
    fps: float
    audio: NotRequired[np.ndarray]
    sample_rate: NotRequired[int]
    keys: NotRequired[np.ndarray]
    tracks: NotRequired[np.ndarray]
    camera: NotRequired[np.ndarray]
    controls: NotRequired[Mapping[str, np.ndarray]]
    references: NotRequired[np.ndarray]
    reference_captions: NotRequired[tuple[str, ...]]
    next_shot: NotRequired["CaptionedClip"]


class ShapeRun(NamedTuple):
    """Consecutive clips of one shape: their number, and the frames, height and width of each."""

    clips: int
    frames: int
    height: int
    width: int


class ClipSource(Protocol):
    """Clips by index from 0. An index beyond the end raises IndexError, so that a plain loop ends there."""

    @property
    def description(self) -> dict[str, Any]:
        """The set, split and settings, as JSON values. Token sets and weights made from these clips store it."""
        ...

    @property
    def shapes(self) -> tuple[ShapeRun, ...]:
        """The shapes of all clips, in order."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> CaptionedClip: ...


class DataSet(Protocol):
    """A data set with a name, whose clips are opened split by split."""

    @property
    def name(self) -> str: ...

    @property
    def summary(self) -> str:
        """One line for a list of data sets."""
        ...

    @property
    def splits(self) -> tuple[str, ...]: ...

    @property
    def held_back(self) -> str:
        """The split for previews in training."""
        ...

    def open(self, split: str, *, num_frames: int | None = None, num_clips: int | None = None) -> ClipSource:
        """Open the first `num_clips` clips of one of `splits`, each of `num_frames` frames; None: all, each whole.

        RequestError if the set was not built, or has fewer clips or frames.
        """
        ...


class BuildableSet(DataSet, Protocol):
    """A data set that this package writes to disk itself."""

    def build(self, *, packages: Path | None = None, progress: Progress = silent) -> Path:
        """Write the set and return its folder. A set that is there stays as it is.

        Args:
            packages: folder of the packages that the set is made from.
            progress: called with the shards written and the number of shards.

        Raises:
            RequestError: the configuration is unknown, packages are missing, or the set takes none.
        """
        ...


def check_name(name: str) -> None:
    """Check the name of a set to be built from a folder; RequestError if it is not allowed."""
    if not _NAME.fullmatch(name):
        raise RequestError(
            f"a data set cannot be named {name!r}; take small letters, digits and underscores, such as my_films"
        )


def identity(source: ClipSource) -> dict[str, Any]:
    """Return what identifies these clips, as JSON values: their description, number and shapes."""
    return {"clips": len(source), **source.description, "shapes": [list(run) for run in source.shapes]}


def clips_of_one_shape(source: ClipSource, count: int) -> np.ndarray:
    """Return the first clips, up to `count`, of the most common shape: uint8 [B, T, H, W, 3]."""
    run = max(source.shapes, key=lambda run: run.clips)
    first = sum(before.clips for before in source.shapes[: source.shapes.index(run)])
    return np.stack([source[index]["video"] for index in range(first, first + min(count, run.clips))])
