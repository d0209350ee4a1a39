"""Decode an animated picture with alpha to frames at an even rate, and put frames on a plain background.

In: a WebP. Out: premultiplied RGBA, or RGB over a colour.
"""

import io
from typing import cast

import numpy as np
from PIL import Image, UnidentifiedImageError

from reelm.errors import RequestError


def frames(webp: bytes, *, size: int, fps: float, count: int) -> np.ndarray:
    """Return uint8 `[count, size, size, 4]`, premultiplied alpha; frame k is at k / fps seconds of an endless loop.

    Durations are whole milliseconds, so 24 frames a second are stored as 42 ms: the nearest whole rate is used. A still
    picture gives equal frames. A pixel is the mean of those it covers. Bytes that are not a picture raise RequestError.
    """
    try:
        with Image.open(io.BytesIO(webp)) as picture:
            number = getattr(picture, "n_frames", 1)
            picture.load()
            rate = round(1000 / (picture.info.get("duration") or 1000 / 24))
            wanted = [round(k * rate / fps) % number for k in range(count)]
            shown: dict[int, np.ndarray] = {}
            for index in sorted(set(wanted)):  # in order, as each frame is drawn over the one before
                picture.seek(index)
                shown[index] = _scaled(picture, size)
    except (UnidentifiedImageError, OSError, EOFError, ValueError) as error:
        raise RequestError(f"a picture cannot be read ({error}); fetch its package again") from error
    return np.stack([shown[index] for index in wanted])


def on(background: tuple[int, int, int], sprite: np.ndarray) -> np.ndarray:
    """Return RGB uint8 `[T, H, W, 3]` of premultiplied RGBA `[T, H, W, 4]` over a colour."""
    behind = (255 - sprite[..., 3:].astype(np.uint16)) * np.array(background, np.uint16)
    return np.minimum(sprite[..., :3] + (behind + 127) // 255, 255).astype(np.uint8)


def _scaled(picture: Image.Image, size: int) -> np.ndarray:
    # Resize premultiplied colours, or edges would take on the colours of invisible pixels.
    whole = picture.convert("RGBa")
    side = max(whole.size)
    if whole.size != (side, side):
        square = Image.new("RGBa", (side, side))
        square.paste(whole, ((side - whole.width) // 2, (side - whole.height) // 2))
        whole = square
    return np.asarray(cast(Image.Image, whole).resize((size, size), Image.Resampling.BOX))
