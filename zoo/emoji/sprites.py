"""An animated picture with alpha to frames at an even rate, and frames onto a plain background.

In: a WebP. Out: premultiplied RGBA, and RGB once a colour lies behind it. Knows nothing of what the picture shows.
"""

import io
from typing import cast

import numpy as np
from PIL import Image, UnidentifiedImageError

from reelm.errors import RequestError


def frames(webp: bytes, *, size: int, fps: float, count: int) -> np.ndarray:
    """Return uint8 `[count, size, size, 4]`, premultiplied alpha; frame k is at k / fps seconds of an endless loop.

    Durations are whole milliseconds, so that 24 frames a second read 42: the rate is the nearest whole one. A picture
    that stands still gives equal frames. A pixel is the mean of those it covers. RequestError for what is no picture.
    """
    try:
        with Image.open(io.BytesIO(webp)) as picture:
            number = getattr(picture, "n_frames", 1)
            picture.load()
            rate = round(1000 / (picture.info.get("duration") or 1000 / 24))
            wanted = [round(k * rate / fps) % number for k in range(count)]
            shown: dict[int, np.ndarray] = {}
            for index in sorted(set(wanted)):  # in order, as each frame is painted over the one before
                picture.seek(index)
                shown[index] = _scaled(picture, size)
    except (UnidentifiedImageError, OSError, EOFError, ValueError) as error:
        raise RequestError(f"a picture cannot be read ({error}); fetch its package again") from error
    return np.stack([shown[index] for index in wanted])


def on(background: tuple[int, int, int], sprite: np.ndarray) -> np.ndarray:
    """RGB uint8 `[T, H, W, 3]` of premultiplied RGBA `[T, H, W, 4]` over a colour."""
    behind = (255 - sprite[..., 3:].astype(np.uint16)) * np.array(background, np.uint16)
    return np.minimum(sprite[..., :3] + (behind + 127) // 255, 255).astype(np.uint8)


def _scaled(picture: Image.Image, size: int) -> np.ndarray:
    # Colours are mixed by how much of them there is: without alpha in them, edges would take on what is invisible.
    whole = picture.convert("RGBa")
    side = max(whole.size)
    if whole.size != (side, side):
        square = Image.new("RGBa", (side, side))
        square.paste(whole, ((side - whole.width) // 2, (side - whole.height) // 2))
        whole = square
    return np.asarray(cast(Image.Image, whole).resize((size, size), Image.Resampling.BOX))
