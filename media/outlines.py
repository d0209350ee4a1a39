"""Compute edges, silhouettes and depth of a clip, as clips without its colours, and how much moves in it.

In: video uint8 `[T, H, W, 3]`. Out: the same shape, or a number. The result has none of the clip's colours, so it can
steer a clip of other colours. Edges and the motion score use OpenCV, an extra.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from reelm.errors import RequestError
from reelm.extras import how_to_install

from .pixels import Frames

_AWAY = 32  # of 255; a silhouette differs by more from the background
_BLANK = 1e-3  # share of pixels; in a blank clip fewer differ from the background
_SIZE = 64  # height at which motion is measured, so that it does not depend on the size of the clip


def edges(video: Frames) -> Frames:
    """Return the edges of each frame, white on black (Canny)."""
    cv2 = _opencv()
    found = [cv2.Canny(cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY), 80, 160) for frame in video]
    return _grey(np.stack(found))


def silhouette(video: Frames) -> Frames:
    """Return what differs from the background, white on black. The background is the median colour along the border."""
    return _grey(np.where(away(video) > _AWAY, 255, 0))


def away(video: Frames) -> np.ndarray:
    """Return the largest difference of each pixel's channels from the background, int16 `[T, H, W]`, 0 to 255."""
    return np.abs(video.astype(np.int16) - background(video).astype(np.int16)).max(axis=-1)


def is_blank(video: Frames) -> bool:
    """Return whether a clip shows nothing: hardly any pixel differs from the background."""
    return float((away(video) > _AWAY).mean()) < _BLANK


def background(video: Frames) -> Frames:
    """Return the colour uint8 `[3]` of the background."""
    border = np.concatenate([video[:, (0, -1)].reshape(-1, 3), video[:, :, (0, -1)].reshape(-1, 3)])
    return np.median(border, axis=0).astype(np.uint8)


def depth(video: Frames) -> Frames:
    """Return the brightness of a clip that is a depth video already. Its maker decides whether near is bright."""
    return _grey(np.round(video.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)))


# Kinds of control clips, and what makes them.
STRUCTURES: Mapping[str, Callable[[Frames], Frames]] = {
    "edges": edges,
    "silhouette": silhouette,
    "depth": depth,
}


def motion(video: Frames, fps: float) -> float:
    """Return the mean speed of all pixels in heights of the picture a second; 0 for a single frame."""
    if len(video) < 2:
        return 0.0
    cv2 = _opencv()
    width = max(16, round(video.shape[2] * _SIZE / video.shape[1]))
    scaled = np.stack([cv2.resize(np.ascontiguousarray(frame), (width, _SIZE)) for frame in video])
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in scaled]
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flows = [search.calc(before, after, None) for before, after in zip(grey[:-1], grey[1:], strict=True)]
    return float(np.linalg.norm(np.stack(flows), axis=-1).mean() * fps / _SIZE)


def _grey(values: np.ndarray) -> Frames:
    return np.repeat(values.astype(np.uint8)[..., None], 3, axis=-1)


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise RequestError(f"edges and motion need OpenCV: {how_to_install('control')}") from error
    return cv2
