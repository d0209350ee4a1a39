"""Read stills and animations (PNG, JPEG, GIF, WebP ...) by Pillow.

Pictures come upright by the EXIF flag, in the colours of sRGB by their profile, with 16 bits cut to 8 and transparency
over black.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from reelm.errors import RequestError
from reelm.media.limits import check_budget, check_size
from reelm.media.pixels import Fit, Frames, Size, over_black
from reelm.media.timing import TimedFrame, at_size, gather, on_clock

if TYPE_CHECKING:
    from PIL.Image import Image

from .allowed import PICTURES
from .animations import IMAGE_DESCRIPTION
from .picture_colours import PictureColours

_ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")  # several pictures in any other file are not frames in time
_BROWSERS = 100  # milliseconds of a frame whose stated duration browsers ignore

# What Pillow's decoders raise on damage.
_DAMAGE = OSError, SyntaxError, ValueError, EOFError, LookupError, ArithmeticError, RuntimeError, struct.error


def is_picture(path: str | os.PathLike[str]) -> bool:
    """Return whether the file begins like a picture or an animation, whatever its suffix says."""
    with open(path, "rb") as file:
        head = file.read(16)
    starts = (b"GIF87a", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"II*\x00", b"MM\x00*")
    avif = head[4:12] in (b"ftypavif", b"ftypavis")  # a still, a sequence
    return head.startswith(starts) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP") or avif


def read_picture(path: str | os.PathLike[str], name: str) -> Frames:
    """Return the picture as uint8 [H,W,3]; messages call the file `name`."""
    with _opened(path, name) as image:
        image.seek(_first(image))
        return _pixels(image, PictureColours(image, name))


def pixels_of(image: "Image", name: str) -> Frames:
    """Return an image of Pillow as uint8 [H,W,3], the same as `read_picture` reads from its file."""
    with _refusing(name):
        check_size(name, image.height, image.width)
        if not image.tell():  # otherwise a frame was chosen
            image.seek(_first(image))
        return _pixels(image, PictureColours(image, name))


def read_animation(
    path: str | os.PathLike[str],
    name: str,
    *,
    fps: float | None,
    size: Size | None,
    max_frames: int | None,
    budget_bytes: int,
) -> tuple[Frames, float, None, None]:
    """Return the frames of an animation, their rate, and no sound; see `read.read_video`."""
    with _opened(path, name) as image:
        count = _frames(image) - _first(image)
        wanted = count if max_frames is None else min(count, max_frames)
        if fps is None:
            check_budget(name, wanted, *(size or (image.height, image.width)), budget_bytes)
        frames = _timed(image, PictureColours(image, name))
        if fps is not None and count > 1:  # a still picture is one frame at any rate
            frames = on_clock(frames, fps)
        if size is not None:
            frames = at_size(name, frames, *size)
        video, start, end = gather(name, frames, max_frames, budget_bytes)
    return video, fps or len(video) / (end - start), None, None


def stream_animation(path: str | os.PathLike[str], name: str, fit: Fit | None) -> Iterator[TimedFrame]:
    """Yield the frames one at a time; see `read.stream_video`."""
    from PIL import Image

    with _opened(path, name) as image:
        for frame in _timed(image, PictureColours(image, name)):
            if fit is None:
                yield frame
            else:
                height, width = fit(*frame.pixels.shape[:2])
                scaled = Image.fromarray(frame.pixels).resize((width, height), Image.Resampling.BOX)
                yield TimedFrame(frame.start, frame.end, np.asarray(scaled))


def read_picture_comment(path: str | os.PathLike[str], name: str) -> str | None:
    """Return the comment that `write_animation` or `write_picture` stored; None without one."""
    with _opened(path, name) as image:
        if "comment" in image.info:
            comment = image.info["comment"]
            return comment.decode(errors="replace") if isinstance(comment, bytes) else str(comment)
        return image.getexif().get(IMAGE_DESCRIPTION)


@contextmanager
def _opened(path: str | os.PathLike[str], name: str) -> "Iterator[Image]":
    import warnings

    from PIL import Image

    with _refusing(name):
        with warnings.catch_warnings():
            # Pillow warns of large pictures and of damaged metadata; sizes are checked below, and damage is refused.
            warnings.simplefilter("ignore")
            image = Image.open(path, formats=PICTURES)
        with image:
            check_size(name, image.height, image.width)
            yield image


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """Turn what Pillow raises on a file that it cannot read into a RequestError."""
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except UnidentifiedImageError as error:
        raise RequestError(f"{name} cannot be read as a picture; give an intact PNG, JPEG, WebP or GIF file") from error
    except Image.DecompressionBombError as error:
        raise RequestError(f"{name} has more than 64 megapixels; give a smaller picture") from error
    except RequestError:
        raise
    except _DAMAGE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RequestError(f"{name} is damaged ({reason}); repair it or save it again") from error


def _pixels(image: "Image", colours: PictureColours) -> Frames:
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip and not scale
        grey = np.asarray(image).astype(np.int64)
        return np.repeat((np.clip(grey, 0, 65535) >> 8).astype(np.uint8)[..., None], 3, -1)
    if image.mode == "F":  # from black to white in [0, 1], or else in [0, 255]
        grey = np.nan_to_num(np.asarray(image))
        grey = grey * 255 if grey.max() <= 1 else grey
        return np.repeat(np.round(np.clip(grey, 0, 255)).astype(np.uint8)[..., None], 3, -1)
    image = colours.to_srgb(image)
    if image.has_transparency_data:
        return over_black(np.asarray(image.convert("RGBA")))
    return np.array(image.convert("RGB"))


def _first(image: "Image") -> int:
    """Return the index of the first frame: an animated PNG may begin with a still for viewers without animation."""
    return int(bool(image.info.get("default_image")))


def _frames(image: "Image") -> int:
    return getattr(image, "n_frames", 1) if image.format in _ANIMATED else 1


def _timed(image: "Image", colours: PictureColours) -> Iterator[TimedFrame]:
    clock = 0.0
    for index in range(_first(image), _frames(image)):
        image.seek(index)
        pixels = _pixels(image, colours)
        end = clock + _duration(image)
        yield TimedFrame(clock, end, pixels)
        clock = end


def _duration(image: "Image") -> float:
    """Return the seconds that the current frame is shown: a tenth where none are given, as in browsers.

    They show a frame of a GIF or an animated PNG for a tenth of a second, too, when it asks for a hundredth.
    """
    duration = image.info.get("duration") or _BROWSERS
    return (_BROWSERS if duration <= 10 and image.format in ("GIF", "PNG") else duration) / 1000
