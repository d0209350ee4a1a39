"""Finishing of decoded frames, as one list of steps: put given pixels back, then enlarge.

In: frames uint8 `[B, n, H, W, 3]`, chunk by chunk, in order. Out: the finished frames. The renderer, `best_of` and
`Model.upscale` all finish their frames here.
"""

from collections.abc import Sequence
from typing import Protocol

from reelm.media.pixels import Frames
from reelm.tokenizer.upscaling.upscaler import Upscaler

from .conditions.conditions import Conditions


class Step(Protocol):
    """A step of finishing. It may keep a state for the next frames."""

    def __call__(self, frames: Frames, first: int, /) -> Frames:
        """Return the next frames of the clips after this step; the first of them is frame number `first`."""
        ...


class Enlarge:
    """Enlarges frames. An enlarged frame depends on the frame itself and on those before it."""

    def __init__(self, upscaler: Upscaler, scale: int):
        self._upscaler, self._state = upscaler, upscaler.init_state(scale)

    def __call__(self, frames: Frames, first: int) -> Frames:
        made, self._state = self._upscaler.upscale_chunk(frames, self._state)
        return made


def steps(conditions: Conditions | None = None, enlarge: Enlarge | None = None) -> list[Step]:
    """Return the steps in order: put the given pixels of `conditions` back, then enlarge."""
    listed = (None if conditions is None else conditions.paste, enlarge)
    return [step for step in listed if step is not None]


def finish(todo: Sequence[Step], frames: Frames, first: int = 0) -> Frames:
    """Return frames after all steps; the first of them is frame number `first` of its clip."""
    for step in todo:
        frames = step(frames, first)
    return frames
