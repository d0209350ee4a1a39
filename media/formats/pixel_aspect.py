"""Pixels that are not square, as in anamorphic film: by how much a picture is stretched when it is shown."""

import logging
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.video.stream import VideoStream

_log = logging.getLogger("reelm")

_MOST = 8  # a pixel that is longer than this is an error in the header


def pixel_aspect(stream: "VideoStream", name: str | None = None) -> Fraction:
    """Return width by height of a pixel as it is stored, before any turn.

    One that cannot be is taken for 1; a warning tells of it where there is a `name` to call the file by.
    """
    aspect = stream.sample_aspect_ratio
    if not aspect:
        return Fraction(1)
    if not Fraction(1, _MOST) <= aspect <= _MOST:
        if name is not None:
            _log.warning("%s has pixels %s times as wide as high by its header: taken as square", name, aspect)
        return Fraction(1)
    return Fraction(aspect.numerator, aspect.denominator)


def stretched(height: int, width: int, aspect: Fraction) -> tuple[int, int]:
    """Return height and width in square pixels. One side grows, none shrinks, so that no line is lost."""
    if aspect >= 1:
        return height, round(width * aspect)
    return round(height / aspect), width
