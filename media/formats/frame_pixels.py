"""Turn a decoded frame into RGB of 8 bits as a viewer sees it.

In: a frame of PyAV. Out: uint8 [H,W,3] in the colours of an ordinary screen whatever the colour tags are, in square
pixels, turned by the display matrix, transparency over black.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reelm.errors import RequestError
from reelm.media.pixels import Fit, Frames, over_black
from reelm.media.wide_colour import BT2020, HIGH_RANGE, UNSTATED, is_wide, to_srgb

from .container_file import fault, stretched

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_BT2020_MATRICES = 9, 10  # non-constant and constant luminance
_GLIMPSE = 32  # samples enough for a mean difference, and cheap


def pixels_of(
    frame: "VideoFrame", name: str, fit: Fit | None, matrix: NDArray[np.int32] | None, aspect: Fraction
) -> Callable[[], Frames]:
    """Return a function that makes the pixels; a size that `fit` refuses is refused at once.

    Args:
        frame, name: the frame, and how messages call its file.
        fit: gives the height and width to scale to; None keeps those of the frame.
        matrix: as `display_matrix` returns it.
        aspect: width by height of a stored pixel.
    """
    height, width = stretched(frame.height, frame.width, aspect)
    size: dict[str, Any] = {} if aspect == 1 else {"height": height, "width": width, "interpolation": "BICUBIC"}
    if fit is not None:
        lies = matrix is not None and _swaps_axes(matrix)
        height, width = fit(width, height) if lies else fit(height, width)
        height, width = (width, height) if lies else (height, width)
        size = {"height": height, "width": width, "interpolation": "AREA"}
    see_through = frame.format.name == "pal8" or any(component.is_alpha for component in frame.format.components)

    def made() -> Frames:
        array = _array(frame, name, see_through=see_through, **size)
        pixels = over_black(array) if see_through else array
        return pixels if matrix is None else _oriented(pixels, matrix)

    return made


def glimpse_of(frame: "VideoFrame", name: str) -> Callable[[], Frames]:
    """Return a function that makes a picture of about `_GLIMPSE` rows or columns, ten times faster than scaling."""
    step = max(1, min(frame.height, frame.width) // _GLIMPSE)
    size = {"height": frame.height // step, "width": frame.width // step, "interpolation": "POINT"}
    return lambda: _array(frame, name, see_through=False, **size)


def high_range(frame: "VideoFrame") -> str | None:
    """Return the name of the frame's transfer function if its dynamic range is high, else None."""
    return HIGH_RANGE.get(int(frame.color_trc))


def display_matrix(frame: "VideoFrame") -> NDArray[np.int32] | None:
    """Return the 3x3 display matrix of a frame; None when it is shown as it is stored."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    return None if matrix is None else np.frombuffer(bytes(matrix), np.int32)


def rgb_of(frame: "VideoFrame", *, see_through: bool, **size: Any) -> NDArray[np.uint8]:
    """Return uint8 [H,W,3], or with `see_through` [H,W,4], whose last channel is opacity.

    `size`: height, width and interpolation of another size. Raises what PyAV raises.
    """
    transfer, primaries = int(frame.color_trc), int(frame.color_primaries)
    if primaries == UNSTATED and (transfer in HIGH_RANGE or int(frame.colorspace) in _BT2020_MATRICES):
        primaries = BT2020
    if not is_wide(transfer, primaries):
        return np.asarray(frame.to_ndarray(format="rgba" if see_through else "rgb24", **size), np.uint8)
    # In planes: packed colours of 16 bits come out wrong if the width is odd and the chroma is subsampled.
    values = np.asarray(frame.to_ndarray(format="gbrap16le" if see_through else "gbrp16le", **size), np.uint16)
    colours = to_srgb(values[..., :3], transfer, primaries)
    return np.concatenate([colours, (values[..., 3:] >> 8).astype(np.uint8)], -1) if see_through else colours


def _array(frame: "VideoFrame", name: str, *, see_through: bool, **size: Any) -> NDArray[np.uint8]:
    from av.error import FFmpegError

    try:
        return rgb_of(frame, see_through=see_through, **size)
    except (FFmpegError, ValueError) as error:
        raise RequestError(f"{name} has frames that cannot be seen ({fault(error)}); re-encode it") from error


def _swaps_axes(matrix: NDArray[np.int32]) -> bool:
    a, b, _, c, d = (int(value) for value in matrix[:5])
    return abs(b) + abs(c) > abs(a) + abs(d)


def _oriented(pixels: Frames, matrix: NDArray[np.int32]) -> Frames:
    """Return pixels [H,W,3] turned by a 3x3 display matrix: x' = a x + c y, y' = b x + d y, in quarter turns."""
    a, b, _, c, d = (int(value) for value in matrix[:5])
    if _swaps_axes(matrix):
        pixels, down, right = pixels.swapaxes(0, 1), b, c
    else:
        down, right = d, a
    return np.ascontiguousarray(pixels[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1])
