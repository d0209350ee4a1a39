"""Convert a scene to arrays for the renderer, frame by frame: positions, materials, light, sky and camera.

In: a `Scene` and times. Out: a `Stage`, whose shapes depend only on the number of times: every scene has room for three
toys, each on a string or not, and an absent toy is far below the floor. Nothing here is random.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from . import rays
from .acts import Swings
from .scenes import FLOORS, Camera, Hour, Scene
from .toys import COLOURS, MATERIALS, PAINT, PATTERNS, SHAPES

TOYS = 3
FOCAL = 1.62
"""Focal length in widths of the picture: 34 degrees from side to side."""
_ABSENT = (0.0, 0.0, -100.0)
_NOTHING = 1e-3  # radius of an absent toy


class Stage(NamedTuple):
    """The scene of a clip of T frames. Lengths and axes as in `toys`; colours are linear RGB.

    Attributes:
        place: [T, 3 toys, 3] centres; turn: [T, 3 toys, 3, 3] rotations from a toy's axes to the world's.
        shape, material, pattern: int32 [3 toys]; `rays.NOTHING` is the shape of an absent toy.
        radius: [3 toys]; paint: [3 toys, 3].
        pivot: [3 toys, 3], where the string of each hangs; below the floor if it has none.
        eye: [T, 3]; view: [T, 3, 3], rows right, down and ahead of the camera.
        lamp: [3], position of the light; lamp_colour: [3]; reach: distance that it lights, infinite for the sun.
        ambient, horizon, zenith: [3].
        floor: int32, one of `FLOORS`; turned: rotation of its pattern in radians; grain: seed of the grain of wood.
    """

    place: Array
    turn: Array
    shape: Array
    material: Array
    pattern: Array
    radius: Array
    paint: Array
    pivot: Array
    eye: Array
    view: Array
    lamp: Array
    lamp_colour: Array
    reach: Array
    ambient: Array
    horizon: Array
    zenith: Array
    floor: Array
    turned: Array
    grain: Array


class _Light(NamedTuple):
    height: float  # of the light over the horizon in degrees; of a lamp over the floor in units
    colour: tuple[float, float, float]
    ambient: tuple[float, float, float]
    horizon: tuple[float, float, float]
    zenith: tuple[float, float, float]


_LIGHTS: dict[Hour, _Light] = {
    "day": _Light(48, (0.95, 0.9, 0.82), (0.42, 0.47, 0.55), (0.74, 0.82, 0.91), (0.36, 0.52, 0.78)),
    "evening": _Light(24, (1.0, 0.56, 0.3), (0.34, 0.29, 0.36), (0.93, 0.55, 0.33), (0.26, 0.26, 0.5)),
    "night": _Light(3.4, (1.6, 1.3, 0.85), (0.05, 0.06, 0.11), (0.035, 0.045, 0.1), (0.008, 0.012, 0.04)),
}


def stage(scene: Scene, time: np.ndarray) -> Stage:
    """Return a scene at times [T] in seconds."""
    time = np.asarray(time, np.float64)
    light, players = _LIGHTS[scene.hour], scene.players
    absent = TOYS - len(players)
    towards = np.radians(scene.light)
    if scene.hour == "night":
        lamp, reach = np.array([1.5 * np.sin(towards), -1.1, light.height]), 3.2
    else:
        height = np.radians(light.height)
        lamp = 60 * np.array([np.sin(towards) * np.cos(height), -np.cos(towards) * np.cos(height), np.sin(height)])
        reach = np.inf
    pivots = [p.act.pivot if isinstance(p.act, Swings) else _ABSENT for p in players] + [_ABSENT] * absent
    eye, view = _seen_from(scene.camera, time)
    return Stage(
        place=_floats(np.stack([p.act.place(time) for p in players] + [np.tile(_ABSENT, (len(time), 1))] * absent, 1)),
        turn=_floats(
            np.stack([p.act.turn(time) for p in players] + [np.tile(np.eye(3), (len(time), 1, 1))] * absent, 1)
        ),
        shape=_ints([SHAPES.index(p.toy.shape) for p in players] + [rays.NOTHING] * absent),
        material=_ints([MATERIALS.index(p.toy.material) for p in players] + [0] * absent),
        pattern=_ints([PATTERNS.index(p.toy.pattern) for p in players] + [0] * absent),
        radius=_floats([p.toy.radius for p in players] + [_NOTHING] * absent),
        paint=_floats(np.stack([PAINT[COLOURS.index(p.toy.colour)] for p in players] + [np.zeros(3)] * absent)),
        pivot=_floats(pivots),
        eye=_floats(eye),
        view=_floats(view),
        lamp=_floats(lamp),
        lamp_colour=_floats(light.colour),
        reach=_floats(reach),
        ambient=_floats(light.ambient),
        horizon=_floats(light.horizon),
        zenith=_floats(light.zenith),
        floor=_ints(FLOORS.index(scene.floor)),
        turned=_floats(np.radians(scene.turned)),
        grain=_floats(scene.seed % 1009 / 10),
    )


def seen(scene: Scene, time: np.ndarray) -> np.ndarray:
    """Return the centre of each toy in the picture, (x, y) as fractions of its width and height: [toys, T, 2]."""
    time = np.asarray(time, np.float64)
    eye, view = _seen_from(scene.camera, time)
    away = np.stack([player.act.place(time) for player in scene.players]) - eye
    right, down, ahead = np.moveaxis(np.einsum("tij,ntj->nti", view, away), -1, 0)
    return (0.5 + FOCAL * np.stack([right, down], -1) / ahead[..., None]).astype(np.float32)


def _seen_from(camera: Camera, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    orbit, closer, rise = np.moveaxis(camera.path(time), -1, 0)
    orbit, elevation = np.radians(orbit), np.radians(camera.elevation)
    distance = camera.distance / 2**closer
    aim = np.array([0.0, 0.0, camera.aim])
    away = np.stack(
        [
            np.sin(orbit) * np.cos(elevation),
            -np.cos(orbit) * np.cos(elevation),
            np.sin(elevation) + rise,
        ],
        -1,
    )
    eye = aim + distance[..., None] * away
    ahead = _unit(aim - eye)
    right = _unit(np.cross(ahead, [0.0, 0.0, 1.0]))
    return eye, np.stack([right, np.cross(ahead, right), ahead], -2)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _floats(values: object) -> Array:
    return jnp.asarray(np.asarray(values, np.float32))


def _ints(values: object) -> Array:
    return jnp.asarray(np.asarray(values, np.int32))
