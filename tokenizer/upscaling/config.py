"""The sizes of an upscaler."""

from dataclasses import dataclass
from typing import Any

from reelm import value_checks
from reelm.errors import RequestError

SCALES = (2, 4)
"""Factors by which an upscaler enlarges both sides."""


@dataclass(frozen=True, kw_only=True)
class UpscalerConfig:
    """Sizes of an upscaler. It doubles both sides; for a factor of four it runs twice.

    Raises:
        RequestError: a size is not valid.
    """

    width: int = 64
    """Channels. Its layers see cells of 2 x 2 pixels."""
    blocks: int = 4
    """Residual blocks of two convolutions each."""
    past: int = 2
    """Number of past frames that it sees, so that it can reduce the flicker of a small clip."""

    def __post_init__(self):
        value_checks.channels("width", [self.width])
        value_checks.layers("blocks", self.blocks)
        value_checks.within("past", self.past, 0, 16)

    @property
    def halo(self) -> int:
        """Pixels around a tile that its result depends on: each convolution reaches one cell further."""
        return 2 * (2 + 2 * self.blocks)


def check_scale(name: str, scale: Any) -> int:
    """Return a scale as an int; RequestError unless it is one of `SCALES`."""
    if (times := value_checks.whole(name, scale)) not in SCALES:
        raise RequestError(f"{name} is {times}; it must be {' or '.join(map(str, SCALES))}")
    return times


def doublings(scale: int) -> int:
    """Return how often an upscaler runs for a scale; RequestError unless it is one of `SCALES`."""
    return SCALES.index(check_scale("scale", scale)) + 1
