"""A decoded frame as RGB of 8 bits for an ordinary screen, whatever its colour tags say."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reelm.media.wide_colour import BT2020, HIGH_RANGE, UNSTATED, is_wide, ordinary

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_BT2020_MATRICES = 9, 10  # non-constant and constant luminance


def high_range(frame: "VideoFrame") -> str | None:
    """Return the name of the frame's transfer function if its dynamic range is high, else None."""
    return HIGH_RANGE.get(int(frame.color_trc))


def rgb_of(frame: "VideoFrame", *, see_through: bool, **size: Any) -> NDArray[np.uint8]:
    """Return uint8 [H,W,3], or with `see_through` [H,W,4], whose last channel is opacity.

    `size`: height, width and interpolation of another size. Raises what PyAV raises.
    """
    transfer, primaries = int(frame.color_trc), int(frame.color_primaries)
    if primaries == UNSTATED and (transfer in HIGH_RANGE or int(frame.colorspace) in _BT2020_MATRICES):
        primaries = BT2020
    if not is_wide(transfer, primaries):
        return np.asarray(frame.to_ndarray(format="rgba" if see_through else "rgb24", **size), np.uint8)
    # In planes: packed colours of 16 bits come out wrong where the width is odd and colours are stored halved.
    values = np.asarray(frame.to_ndarray(format="gbrap16le" if see_through else "gbrp16le", **size), np.uint16)
    colours = ordinary(values[..., :3], transfer, primaries)
    return np.concatenate([colours, (values[..., 3:] >> 8).astype(np.uint8)], -1) if see_through else colours
