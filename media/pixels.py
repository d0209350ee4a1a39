"""Arrays of pixels: their type, transparency and scaling."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .limits import check_scale

Frames = NDArray[np.uint8]  # [T,H,W,3], or [H,W,3] for one
Size = tuple[int, int]  # height, width
Fit = Callable[[int, int], tuple[int, int]]  # (height, width) of a frame as it is seen -> those it is scaled to


def over_black(rgba: NDArray[np.uint8]) -> Frames:
    """Return pixels [...,3]: pixels [...,4] with straight alpha, laid over black."""
    alpha = rgba[..., 3:].astype(np.uint16)
    return ((rgba[..., :3] * alpha + 127) // 255).astype(np.uint8)


def blocks(frames: Frames, scale: int) -> Frames:
    """Return frames [...,H,W,3] with every pixel as a block of scale x scale."""
    check_scale(scale)
    return frames.repeat(scale, axis=-3).repeat(scale, axis=-2)


def scale_within(side: int, height: int, width: int) -> int:
    """Return the largest scale of `blocks` whose frames are at most `side` pixels high and wide; at least 1."""
    return max(1, side // max(height, width))


def fit(frame: Frames, height: int, width: int) -> Frames:
    """Return a frame `uint8 [H, W, 3]` at another size: scaled to cover height x width, then cropped to its centre."""
    if frame.shape[:2] == (height, width):
        return frame
    from PIL import Image, ImageOps

    fitted = ImageOps.fit(Image.fromarray(frame), (width, height), Image.Resampling.LANCZOS)
    return np.asarray(fitted)
