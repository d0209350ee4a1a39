"""Write stills, GIF and WebP, each with a comment, by Pillow.

GIF counts time in hundredths of a second and WebP in thousandths: durations are rounded so that the sum never drifts.
Both merge equal neighbours into one longer frame, so a file may hold fewer frames than were written; the timing is the
same.
"""

import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reelm.errors import RequestError
from reelm.media.file_info import finished
from reelm.media.limits import BUDGET_BYTES, check_budget, check_scale, check_size
from reelm.media.pixels import Frames, blocks

if TYPE_CHECKING:
    from PIL.Image import Image


# Browsers show a frame of less than 2 hundredths for 10.
GIF_MAX_FPS = 50.0

# Pixels of a side, seconds of a frame: 16 bits of hundredths in the one, 24 of thousandths in the other.
_LIMITS = {".gif": (65_535, 655.35), ".webp": (16_383, 16_777.215)}

IMAGE_DESCRIPTION = 0x010E  # the EXIF field for a comment


def write_animation(
    path: str | os.PathLike[str],
    frames: Frames,
    *,
    seconds: NDArray[np.float64],
    comment: str = "",
    scale: int = 1,
) -> None:
    """Write frames [T,H,W,3] as an endless GIF or lossless WebP, by the suffix, whole or not at all.

    `seconds`, [T+1], from 0 on, says when each frame begins and when the last one ends. A frame that is too short for
    the format is shown for the shortest time that it has, and the next ones are late.

    Raises:
        RequestError: More than 50 frames a second, on average, for a GIF; frames that are larger, or shown longer, than
            the format allows; a path that cannot be written.
    """
    from PIL import Image

    check_scale(scale)
    suffix = Path(path).suffix.lower()
    _check_limits(suffix, frames.shape[0], frames.shape[1] * scale, frames.shape[2] * scale, seconds)
    frames = blocks(frames, scale)
    if suffix == ".gif":
        fps = round(len(frames) / float(seconds[-1]), 6)
        if fps > GIF_MAX_FPS:
            raise RequestError(
                f"a GIF shows at most {GIF_MAX_FPS:.0f} frames a second, the clip has {fps:g}; save an mp4"
            )
        milliseconds = 10 * _durations(100 * seconds, least=2)
        images = [_with_palette(frame) for frame in frames]
        options: dict[str, Any] = {"format": "GIF", "comment": comment.encode()}
    else:
        milliseconds = _durations(1000 * seconds, least=1)
        images = [Image.fromarray(frame) for frame in frames]
        options = {"format": "WEBP", "lossless": True, "exif": _exif(comment)}
    durations = [int(duration) for duration in milliseconds]
    with finished(path) as temporary:
        try:
            images[0].save(temporary, save_all=True, append_images=images[1:], duration=durations, loop=0, **options)
        except (struct.error, OverflowError, RuntimeError, ValueError) as error:  # equal frames, merged, last too long
            raise RequestError(f"{suffix} cannot hold this clip ({error}); save an mp4") from error


def write_picture(path: str | os.PathLike[str], frame: Frames, *, comment: str = "", scale: int = 1) -> None:
    """Write one frame [H,W,3] as PNG, whole or not at all."""
    from PIL import Image

    check_scale(scale)
    check_size("the picture", frame.shape[0] * scale, frame.shape[1] * scale)
    with finished(path) as temporary:
        Image.fromarray(blocks(frame, scale)).save(temporary, format="PNG", exif=_exif(comment))


def _check_limits(suffix: str, frames: int, height: int, width: int, seconds: NDArray[np.float64]) -> None:
    """Check that a format allows the size and the durations of frames, and that they fit into memory."""
    side, longest = _LIMITS[suffix]
    if max(height, width) > side:
        raise RequestError(f"{suffix} holds at most {side} pixels a side, these are {width}x{height}; save an mp4")
    if (found := float(np.diff(seconds).max())) > longest:
        raise RequestError(f"{suffix} shows a frame for {longest:g} s at most, one lasts {found:g} s; save an mp4")
    check_size(f"the {suffix}", height, width)
    check_budget(f"the {suffix}", frames, height, width, BUDGET_BYTES)


def _durations(times: NDArray[np.float64], least: int) -> NDArray[np.float64]:
    """Return whole durations of at least `least` between times; their sum never drifts."""
    earliest = least * np.arange(len(times))
    return np.diff(np.maximum.accumulate(np.round(times) - earliest) + earliest)


def _with_palette(frame: Frames) -> "Image":
    """Return the frame with its own palette: exact where 256 colours are enough, else the best 256."""
    from PIL import Image

    packed = frame.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    colours, indices = np.unique(packed, return_inverse=True)
    if len(colours) > 256:
        return Image.fromarray(frame).quantize(256)
    image = Image.fromarray(indices.reshape(packed.shape).astype(np.uint8), "P")
    image.putpalette(np.stack([colours >> 16, colours >> 8 & 255, colours & 255], -1).astype(np.uint8).tobytes())
    return image


def _exif(comment: str) -> bytes:
    from PIL import Image

    exif = Image.Exif()
    exif[IMAGE_DESCRIPTION] = comment
    return exif.tobytes()
