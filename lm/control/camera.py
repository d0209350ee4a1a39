"""The camera in the control field: where it looks, the same at all places.

Whether it is known; pan and zoom at the end of a latent frame; how they change within it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reelm import value_checks
from reelm.errors import RequestError

CHANNELS = 7
_MOST_ZOOM, _FASTER = 8.0, 4.0  # a change within one latent frame is small


@dataclass(frozen=True)
class Camera:
    """Where a camera looks, against the first frame of its clip.

    Attributes:
        pan: (x, y) of the middle of the view, to the right and down, as shares of the first view's width and height.
        zoom: how many times larger things are. 1 is the first view.
    """

    pan: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0

    def __post_init__(self) -> None:
        try:
            (x, y), zoom = map(float, self.pan), float(self.zoom)
        except (TypeError, ValueError) as error:
            raise RequestError(f"a camera has a pan (x, y) and a zoom, not {self.pan!r} and {self.zoom!r}") from error
        if not (abs(x) <= 1 and abs(y) <= 1):
            raise RequestError(f"pan is ({x:g}, {y:g}); its x and y are shares of the view, -1 to 1")
        if not 1 / _MOST_ZOOM <= zoom <= _MOST_ZOOM:
            raise RequestError(f"zoom is {zoom:g}; it is {1 / _MOST_ZOOM:g} to {_MOST_ZOOM:g}, and 1 changes nothing")


# Words for a camera, as where it is after a second; it goes on at that speed.
WORDS: Mapping[str, Camera] = {
    "static": Camera(),
    "zoom in": Camera(zoom=1.2),
    "zoom out": Camera(zoom=1 / 1.2),
    "pan left": Camera(pan=(-0.1, 0.0)),
    "pan right": Camera(pan=(0.1, 0.0)),
    "pan up": Camera(pan=(0.0, -0.1)),
    "pan down": Camera(pan=(0.0, 0.1)),
}


def camera_field(path: np.ndarray, stride: int) -> np.ndarray:
    """Return the part of the camera float32 `[t, 1, 1, CHANNELS]` in the control field.

    Args:
        path: float `[T, 3]`, pan x, pan y and the logarithm of zoom to base 2 in each of T = 1 + stride (t - 1) frames.
        stride: frames of a latent frame after the first.
    """
    at = path[::stride]
    change = np.diff(at, axis=0, prepend=at[:1]) * _FASTER
    field = np.concatenate([np.ones((len(at), 1)), at, change], axis=-1)
    return field[:, None, None].astype(np.float32)


def read_camera(camera: object) -> str | tuple[tuple[float, Camera], ...]:
    """Return a camera as a user gives it: one of `WORDS`, or (seconds, Camera) pairs.

    In place of a Camera may stand a mapping of its fields, as JSON has it. RequestError for other things than these,
    and for times that do not rise.
    """
    if isinstance(camera, str):
        words = " ".join(camera.lower().split())
        if words not in WORDS:
            raise RequestError(
                f"camera is {camera[:40]!r}; it is one of {', '.join(WORDS)}, or (seconds, Camera) pairs"
            )
        return words
    try:
        pairs = tuple((float(at), where if isinstance(where, Camera) else Camera(**where)) for at, where in camera)  # type: ignore
    except (TypeError, ValueError) as error:
        raise RequestError("camera is words such as 'zoom in', or a list of (seconds, reelm.Camera(...))") from error
    if not pairs:
        raise RequestError("camera is an empty list; give (seconds, reelm.Camera(...)) pairs, or None")
    value_checks.rising("a camera", [at for at, _ in pairs])
    return pairs


def camera_path(camera: str | Sequence[tuple[float, Camera]], frames: int, fps: float) -> np.ndarray:
    """Return float `[T, 3]`, pan x, pan y and log2 of zoom in each of T = `frames` frames.

    camera: as `read_camera` returns it. Between two of a list it moves evenly, after the last it stays.
    """
    seconds = np.arange(frames) / fps
    if isinstance(camera, str):
        return seconds[:, None] * _numbers(WORDS[camera])
    points = np.array([_numbers(each) for _, each in camera])
    times = [at for at, _ in camera]
    return np.stack([np.interp(seconds, times, points[:, axis]) for axis in range(3)], axis=-1)


def _numbers(camera: Camera) -> np.ndarray:
    return np.array([*camera.pan, math.log2(camera.zoom)])
