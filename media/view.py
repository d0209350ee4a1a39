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
    return np.stack([_view(frame.astype(np.float32), look, size) for frame, look in zip(video, camera, strict=True)])


def seen_of(picture: np.ndarray, camera: np.ndarray) -> Frames:
    """Return what a camera shows of a picture uint8 `[H, W, 3]`, at its size: uint8 `[T, H, W, 3]`; see `seen`."""
    frame = picture.astype(np.float32)
    return np.stack([_view(frame, look, picture.shape[:2]) for look in camera])


def _view(frame: np.ndarray, look: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    x, y, zoom = look
    rows, columns = (view_weights(*axis, zoom) for axis in zip(frame.shape[:2], size, (y, x), strict=True))
    return np.round(np.einsum("ah,hwc,bw->abc", rows, frame, columns, optimize=True)).astype(np.uint8)


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
