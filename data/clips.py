"""What a data set gives: captioned clips, by random access."""

from typing import Any, NamedTuple, NotRequired, Protocol, TypedDict

import numpy as np


class CaptionedClip(TypedDict):
    """video uint8[T, H, W, 3], its frames a second; with sound also audio float32[S, C] and its rate.

    `captions` are one or more, of which training draws one whenever it meets the clip.
    """

    video: np.ndarray
    captions: tuple[str, ...]
    fps: float
    audio: NotRequired[np.ndarray]
    sample_rate: NotRequired[int]


class ShapeRun(NamedTuple):
    """So many clips of one shape after one another."""

    clips: int
    frames: int
    height: int
    width: int


class ClipSource(Protocol):
    """Clips by index from 0; IndexError beyond the end, so that a plain loop ends there."""

    @property
    def description(self) -> dict[str, Any]:
        """What was opened, as JSON values: kept beside tokens and weights made from it."""
        ...

    @property
    def shapes(self) -> tuple[ShapeRun, ...]:
        """The shapes of all clips, in order."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> CaptionedClip: ...


def clips_of_one_shape(source: ClipSource, count: int) -> np.ndarray:
    """The first clips, up to `count`, of the shape that most clips have: uint8 [B, T, H, W, 3]."""
    run = max(source.shapes, key=lambda run: run.clips)
    first = sum(before.clips for before in source.shapes[: source.shapes.index(run)])
    return np.stack([source[index]["video"] for index in range(first, first + min(count, run.clips))])
