"""What a camera shows of pictures that stand still for it: a view that pans and zooms.

In: frames uint8 and where a camera looks in each. Out: frames uint8. Beyond the edge of a frame its edge goes on.
"""

import numpy as np

from .pixels import Frames


def seen(video: Frames, camera: np.ndarray, size: tuple[int, int]) -> Frames:
    """Return what a camera shows, uint8 `[T, *size, 3]`, of a clip uint8 `[T, H, W, 3]`.

    Args:
        video: the clip.
        camera: float `[T, 3]`, pan x, pan y and the logarithm of zoom to base 2 in each frame.
        size: height and width of the view in pixels.
    """
    made = np.empty((len(video), *size, 3), np.uint8)
    for frame, (x, y, zoom), shown in zip(video, camera, made, strict=True):
        rows, columns = (view_weights(*axis, zoom) for axis in zip(frame.shape[:2], size, (y, x), strict=True))
        shown[:] = np.round(np.einsum("ah,hwc,bw->abc", rows, frame.astype(np.float32), columns, optimize=True))
    return made


def view_weights(length: int, size: int, pan: float, zoom: float) -> np.ndarray:
    """Return the weights float `[size, length]` of pixels of an axis in those of a view: means, or interpolation.

    pan: of the middle of the view, as a share of the axis. zoom: as a power of two.
    """
    step = length / (size * 2.0**zoom)
    places = length * (0.5 + pan) + (np.arange(size) + 0.5 - size / 2) * step - 0.5
    reach = max(1.0, step)
    inside = np.clip(places, 0, length - 1)
    weights = np.maximum(0, 1 - np.abs(inside[:, None] - np.arange(length)) / reach)
    return weights / weights.sum(axis=1, keepdims=True)
