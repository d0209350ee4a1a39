"""Arrays of pixels: their type, transparency, scaling."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .limits import check_scale

Frames = NDArray[np.uint8]  # [T,H,W,3], or [H,W,3] for one
Fit = Callable[[int, int], tuple[int, int]]  # (height, width) of a frame as it is seen -> those it is scaled to


def over_black(rgba: NDArray[np.uint8]) -> Frames:
    """Pixels [...,4] with straight alpha, seen before a black background: [...,3]."""
    alpha = rgba[..., 3:].astype(np.uint16)
    return ((rgba[..., :3] * alpha + 127) // 255).astype(np.uint8)


def blocks(frames: Frames, scale: int) -> Frames:
    """Every pixel of [...,H,W,3] as a block of scale x scale."""
    check_scale(scale)
    return frames.repeat(scale, axis=-3).repeat(scale, axis=-2)


def fit(frame: Frames, height: int, width: int) -> Frames:
    """`uint8 [H, W, 3]` at another size: scaled until it covers height x width, then cropped about its centre."""
    if frame.shape[:2] == (height, width):
        return frame
    from PIL import Image, ImageOps

    fitted = ImageOps.fit(Image.fromarray(frame), (width, height), Image.Resampling.LANCZOS)
    return np.asarray(fitted)
