"""Stills and animations (PNG, JPEG, GIF, WebP ...) in and out, by Pillow.

In: upright by the EXIF flag, 16 bits cut to 8, transparency over black. Out: GIF and WebP animations and single
pictures, each with a comment. GIF counts time in hundredths of a second and WebP in thousandths: durations are rounded
so that the sum never drifts. Both merge equal neighbours into one longer frame, so the count of frames in a file may
be smaller than what went in; the timing is the same.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reelm.tokenizer.request import RequestError

from .frames import Fit, Frames, TimedFrame, blocks, check_budget, check_size, gather, on_clock, over_black
from .output import replacing

if TYPE_CHECKING:
    from PIL.Image import Image

# Browsers show a frame of less than 2 hundredths for 10.
GIF_MAX_FPS = 50.0

_IMAGE_DESCRIPTION = 0x010E  # the EXIF field for a comment


def is_picture(path: str | os.PathLike[str]) -> bool:
    """Whether the file begins like a picture or an animation, whatever its suffix says."""
    with open(path, "rb") as file:
        head = file.read(16)
    starts = (b"GIF87a", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"II*\x00", b"MM\x00*")
    return head.startswith(starts) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP") or head[4:12] == b"ftypavif"


def read_picture(path: str | os.PathLike[str], name: str) -> Frames:
    """uint8 [H,W,3]; `name` is how messages call the file."""
    with _opened(path, name) as image:
        return _pixels(image)


def read_animation(
    path: str | os.PathLike[str], name: str, *, fps: float | None, max_frames: int | None, budget_bytes: int
) -> tuple[Frames, float, None, None]:
    """The frames of an animation, their rate, and no sound; see `media.read_video`."""
    with _opened(path, name) as image:
        count = getattr(image, "n_frames", 1)
        wanted = count if max_frames is None else min(count, max_frames)
        if fps is None:
            check_budget(name, wanted, image.height, image.width, budget_bytes)
        frames = _timed(image, count)
        if fps is not None and count > 1:  # a still picture is one frame at any rate
            frames = on_clock(frames, fps)
        video, start, end = gather(name, frames, max_frames, budget_bytes)
    return video, fps or len(video) / (end - start), None, None


def stream_animation(path: str | os.PathLike[str], name: str, fit: Fit | None) -> Iterator[TimedFrame]:
    """The frames one at a time; see `media.stream_video`."""
    from PIL import Image

    with _opened(path, name) as image:
        for frame in _timed(image, getattr(image, "n_frames", 1)):
            if fit is None:
                yield frame
            else:
                height, width = fit(*frame.pixels.shape[:2])
                scaled = Image.fromarray(frame.pixels).resize((width, height), Image.Resampling.BOX)
                yield TimedFrame(frame.start, frame.end, np.asarray(scaled))


def read_picture_comment(path: str | os.PathLike[str], name: str) -> str | None:
    """The comment that `write_animation` or `write_picture` stored, None without."""
    with _opened(path, name) as image:
        if "comment" in image.info:
            comment = image.info["comment"]
            return comment.decode(errors="replace") if isinstance(comment, bytes) else str(comment)
        return image.getexif().get(_IMAGE_DESCRIPTION)


def write_animation(
    path: str | os.PathLike[str],
    frames: Frames,
    *,
    seconds: NDArray[np.float64],
    comment: str = "",
    scale: int = 1,
) -> None:
    """Writes frames [T,H,W,3] as an endless GIF or lossless WebP, by the suffix, whole or not at all.

    `seconds`, [T+1], from 0 on, says when each frame begins and when the last one ends. What comes faster than the
    format can say is shown for the least that it can, and what follows waits.

    Raises:
        RequestError: More than 50 frames a second, on average, for a GIF; a path that cannot be written.
    """
    from PIL import Image

    frames = blocks(frames, scale)
    if Path(path).suffix.lower() == ".gif":
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
    with replacing(path) as temporary:
        images[0].save(temporary, save_all=True, append_images=images[1:], duration=durations, loop=0, **options)


def write_picture(path: str | os.PathLike[str], frame: Frames, *, comment: str = "", scale: int = 1) -> None:
    """Writes one frame [H,W,3] as PNG, whole or not at all."""
    from PIL import Image

    with replacing(path) as temporary:
        Image.fromarray(blocks(frame, scale)).save(temporary, format="PNG", exif=_exif(comment))


@contextmanager
def _opened(path: str | os.PathLike[str], name: str) -> "Iterator[Image]":
    import warnings

    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures and of damaged metadata; a size is judged below and damage is refused.
            warnings.simplefilter("ignore")
            image = Image.open(path)
        with image:
            check_size(name, image.height, image.width)
            yield image
    except UnidentifiedImageError as error:
        raise RequestError(f"{name} cannot be read as a picture; give an intact PNG, JPEG, WebP or GIF file") from error
    except Image.DecompressionBombError as error:
        raise RequestError(f"{name} has more than 64 megapixels; give a smaller picture") from error
    except RequestError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, IndexError) as error:  # what Pillow's decoders raise on damage
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RequestError(f"{name} is damaged ({reason}); repair it or save it anew") from error


def _pixels(image: "Image") -> Frames:
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip and not scale
        grey = np.asarray(image).astype(np.int64)
        return np.repeat((np.clip(grey, 0, 65535) >> 8).astype(np.uint8)[..., None], 3, -1)
    if image.has_transparency_data:
        return over_black(np.asarray(image.convert("RGBA")))
    return np.array(image.convert("RGB"))


def _timed(image: "Image", count: int) -> Iterator[TimedFrame]:
    clock = 0.0
    for index in range(count):
        image.seek(index)
        pixels = _pixels(image)
        end = clock + _duration(image)
        yield TimedFrame(clock, end, pixels)
        clock = end


def _duration(image: "Image") -> float:
    """Seconds that the current frame is shown; a tenth where none is given, as browsers do."""
    return (image.info.get("duration") or 100) / 1000


def _durations(times: NDArray[np.float64], least: int) -> NDArray[np.float64]:
    """Whole durations of at least `least` between times, whose sum never drifts."""
    earliest = least * np.arange(len(times))
    return np.diff(np.maximum.accumulate(np.round(times) - earliest) + earliest)


def _with_palette(frame: Frames) -> "Image":
    """The frame with a palette of its own: exact where 256 colours are enough, else the best 256."""
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
    exif[_IMAGE_DESCRIPTION] = comment
    return exif.tobytes()


def fit(frame: Frames, height: int, width: int) -> Frames:
    """`uint8 [H, W, 3]` at another size: scaled until it covers height x width, then cropped about its centre."""
    if frame.shape[:2] == (height, width):
        return frame
    from PIL import Image, ImageOps

    fitted = ImageOps.fit(Image.fromarray(frame), (width, height), Image.Resampling.LANCZOS)
    return np.asarray(fitted)
