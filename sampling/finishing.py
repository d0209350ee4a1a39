"""What happens to frames between a decoder and whoever asked for them: one list of steps, the same in every way out.

In: frames uint8 `[B, n, H, W, 3]`, chunk by chunk, in order. Out: these frames, finished. Drawn latent frames pass
through here, the clip that is chosen of several, and clips that are only enlarged.
"""

from collections.abc import Sequence
from typing import Protocol

from reelm.media.pixels import Frames
from reelm.tokenizer.upscaling.upscaler import Upscaler

from .conditions.conditions import Conditions


class Step(Protocol):
    """A step of finishing. It may remember what the next frames need."""

    def __call__(self, frames: Frames, first: int, /) -> Frames:
        """Return the next frames of the clips, which begin with frame `first`."""
        ...


class Enlarge:
    """Enlarges frames, each by itself and the frames before it."""

    def __init__(self, upscaler: Upscaler, scale: int):
        self._upscaler, self._state = upscaler, upscaler.init_state(scale)

    def __call__(self, frames: Frames, first: int) -> Frames:
        made, self._state = self._upscaler.upscale_chunk(frames, self._state)
        return made


def steps(conditions: Conditions | None = None, enlarge: Enlarge | None = None) -> list[Step]:
    """Return the steps in their order: given pixels are put back where they stay, then frames are enlarged."""
    listed = (None if conditions is None else conditions.paste, enlarge)
    return [step for step in listed if step is not None]


def finish(through: Sequence[Step], frames: Frames, first: int = 0) -> Frames:
    """Return frames, which begin with frame `first` of their clips, after all steps."""
    for step in through:
        frames = step(frames, first)
    return frames
