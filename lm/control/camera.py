"""The camera in the control field: its position and motion, the same at all positions.

Whether it is known; orbit, zoom and rise at the end of a latent frame; how they change within it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from reelm import value_checks
from reelm.errors import RequestError

CHANNELS = 7
_MOST_ORBIT, _MOST_ZOOM, _MOST_RISE = 360.0, 8.0, 4.0
_SCALES = np.array([1 / 45, 1.0, 2.0])  # of degrees, octaves and fractions of the distance; a usual move is near 1
_FASTER = 4.0  # factor of changes within one latent frame, which are small


@dataclass(frozen=True)
class Camera:
    """The position of a camera relative to the first frame of its clip. It always looks at the middle of the scene.

    Attributes:
        orbit: angle around the scene in degrees, to the right.
        zoom: factor by which it is closer. 1 is the first view.
        rise: height above its first position, as a fraction of its distance.
    """

    orbit: float = 0.0
    zoom: float = 1.0
    rise: float = 0.0

    def __post_init__(self) -> None:
        try:
            orbit, zoom, rise = (float(getattr(self, field.name)) for field in fields(self))
        except (TypeError, ValueError) as error:
            raise RequestError(f"a camera has an orbit, a zoom and a rise in numbers, not {vars(self)}") from error
        if not abs(orbit) <= _MOST_ORBIT:
            raise RequestError(f"orbit is {orbit:g}; it is -{_MOST_ORBIT:g} to {_MOST_ORBIT:g} degrees to the right")
        if not 1 / _MOST_ZOOM <= zoom <= _MOST_ZOOM:
            raise RequestError(f"zoom is {zoom:g}; it is {1 / _MOST_ZOOM:g} to {_MOST_ZOOM:g}, and 1 changes nothing")
        if not abs(rise) <= _MOST_RISE:
            raise RequestError(f"rise is {rise:g}; it is -{_MOST_RISE:g} to {_MOST_RISE:g} times the camera's distance")


# Words for a camera move, and the camera after one second of it; it moves at constant speed.
WORDS: Mapping[str, Camera] = {
    "static": Camera(),
    "circle left": Camera(orbit=-12.0),
    "circle right": Camera(orbit=12.0),
    "zoom in": Camera(zoom=1.1),
    "zoom out": Camera(zoom=1 / 1.1),
    "rise": Camera(rise=0.09),
}


def camera_field(path: np.ndarray, stride: int) -> np.ndarray:
    """Return the part of the camera float32 `[t, 1, 1, CHANNELS]` in the control field.

    Args:
        path: float `[T, 3]`, orbit in degrees, log2 of zoom, and rise in each of T = 1 + stride (t - 1) frames.
        stride: frames of a latent frame after the first.
    """
    at = path[::stride] * _SCALES
    change = np.diff(at, axis=0, prepend=at[:1]) * _FASTER
    field = np.concatenate([np.ones((len(at), 1)), at, change], axis=-1)
    return field[:, None, None].astype(np.float32)


def read_camera(camera: object) -> str | tuple[tuple[float, Camera], ...]:
    """Return the camera that a user gave: one of `WORDS`, or (seconds, Camera) pairs.

    A mapping of the fields of a Camera, as in JSON, also counts as a Camera. Raises RequestError for anything else, and
    for times that do not increase.
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
    """Return float `[T, 3]`, orbit in degrees, log2 of zoom, and rise in each of T = `frames` frames.

    camera: from `read_camera`. It moves at constant speed between two entries of a list, and stands after the last.
    """
    seconds = np.arange(frames) / fps
    if isinstance(camera, str):
        return seconds[:, None] * _numbers(WORDS[camera])
    points = np.array([_numbers(each) for _, each in camera])
    times = [at for at, _ in camera]
    return np.stack([np.interp(seconds, times, points[:, axis]) for axis in range(3)], axis=-1)


def _numbers(camera: Camera) -> np.ndarray:
    return np.array([camera.orbit, math.log2(camera.zoom), camera.rise])
