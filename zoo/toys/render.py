"""Render a stage by ray casting: pictures, depth, and the toy at each pixel.

In: a `Stage` of T frames. Out: `Drawn`. There are two passes. The first draws the floor and the sky with one ray a
pixel, since their patterns are filtered in closed form. The second draws the tiles that a toy or its shadow can touch
with four rays a pixel; each looks for toys, shadows and, on metal, reflections. Most tiles are not touched, which saves
most of the work. One program serves all scenes of a length.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from . import rays, surfaces, vectors
from .stage import FOCAL, TOYS, Stage
from .toys import MATERIALS
from .vectors import UP, Vector, vector

_TILE = 16  # pixels along a side
_AT_ONCE = 16  # tiles in one iteration of the loop
_SAMPLES = np.array([(-0.375, -0.125), (0.125, -0.375), (0.375, 0.125), (-0.125, 0.375)], np.float32)
# Each sample uses another point of the light, which softens shadows; offsets are fractions of the lamp's distance.
_LAMP_POINTS = 0.02 * np.array([(-1, 0, 1), (0, 0, -1), (1, 0, 0.5), (0, 0, -0.5)], np.float32)
_STRING = 0.022  # radius
_FOG = 0.045  # fraction of the view that a unit of air absorbs, far away
_WHITE = Vector(1.0, 1.0, 1.0)
_RUBBER, _WOOD, _METAL = map(MATERIALS.index, ("rubber", "wood", "metal"))


class Drawn(NamedTuple):
    """T frames of H x W pixels.

    Attributes:
        picture: uint8 [T, H, W, 3].
        depth: float32 [T, H, W], distance along the view in units, infinite for the sky.
        toy: int8 [T, H, W], index of the visible toy, -1 for none.
    """

    picture: Array
    depth: Array
    toy: Array


@partial(jax.jit, static_argnames="size")
def render(stage: Stage, size: int = 128) -> Drawn:
    """Return the frames of a stage as squares of `size` pixels, a multiple of 16."""
    if size % _TILE:
        raise ValueError(f"size is {size}; it must be a multiple of {_TILE}")
    frames, side = stage.eye.shape[0], size // _TILE
    colour, depth = jax.lax.map(lambda frame: _empty(stage, size, *frame), (stage.eye, stage.view))
    touched = jax.vmap(partial(_touched, stage, size))(stage.place, stage.eye, stage.view)
    order = jnp.argsort(~touched.reshape(-1), stable=True)
    order = jnp.pad(order, (0, _AT_ONCE), constant_values=frames * side * side)
    toy = jnp.full((frames * side * side + 1, _TILE * _TILE, 1), -1, jnp.int8)

    def some(turn: Array, drawn: tuple[Array, ...]) -> tuple[Array, ...]:
        tiles = jax.lax.dynamic_slice_in_dim(order, turn * _AT_ONCE, _AT_ONCE)
        return tuple(whole.at[tiles].set(part) for whole, part in zip(drawn, _tiles(stage, size, tiles), strict=True))

    turns = (touched.sum() + _AT_ONCE - 1) // _AT_ONCE
    drawn = jax.lax.fori_loop(0, turns, some, (_tiled(colour), _tiled(depth[..., None]), toy))
    colour, depth, toy = (_whole(each, frames, side) for each in drawn)
    return Drawn(_shown(colour), depth[..., 0], toy[..., 0])


def _shown(light: Array) -> Array:
    """Return linear light as sRGB bytes; values brighter than white are compressed softly."""
    light = light / (1 + jnp.maximum(light - 0.75, 0) * 0.6)
    return (jnp.clip(light, 0, 1) ** (1 / 2.2) * 255 + 0.5).astype(jnp.uint8)


def _towards(view: Array, x: Array, y: Array, size: int) -> Vector:
    """Return the directions of rays through (x, y) in pixels; their component along the view has length 1.

    Args:
        view: [3, 3, ...], rows right, down and ahead of the camera.
    """
    right, down, ahead = (Vector(*row) for row in view)
    return right * ((x / size - 0.5) / FOCAL) + down * ((y / size - 0.5) / FOCAL) + ahead


def _empty(stage: Stage, size: int, eye: Array, view: Array) -> tuple[Array, Array]:
    """Return floor and sky of a frame, [H, W, 3], and their depth [H, W]."""
    at = jnp.arange(size) + 0.5
    y, x = jnp.meshgrid(at, at, indexing="ij")
    direction = _towards(view, x, y, size)
    distance = rays.floor(vector(eye), direction)
    return _floor_or_sky(stage, size, vector(eye), direction, distance, 1.0, 1.0).stack(), distance


def _floor_or_sky(
    stage: Stage,
    size: int,
    origin: Vector,
    direction: Vector,
    distance: Array,
    lit: Array | float,
    open_: Array | float,
) -> Vector:
    """Return the colour of rays that hit no toy.

    Args:
        distance: to the floor, infinite for the sky.
        lit: fraction of the lamp's light that reaches the floor there; open_: fraction of the ambient light.
    """
    far = jnp.isfinite(distance)
    away = jnp.where(far, distance, 1.0)
    point = origin + away * direction
    cos, sin = jnp.cos(stage.turned), jnp.sin(stage.turned)
    x, y = cos * point.x + sin * point.y, cos * point.y - sin * point.x
    # Width of a pixel on the floor, which grows at grazing angles.
    ray = direction.unit()
    width = away / (size * FOCAL) * jax.lax.rsqrt(jnp.maximum(-ray.z, 1e-3))
    horizon = vector(stage.horizon)
    colour = surfaces.floor(stage.floor, x, y, width) * _light(stage, point, UP, lit, open_)
    fog = 1 - jnp.exp(-_FOG * jnp.maximum(away - 6, 0))
    above = surfaces.sky(ray, horizon, vector(stage.zenith))
    return vectors.where(far, colour + fog * (horizon - colour), above)


def _light(stage: Stage, point: Vector, normal: Vector, lit: Array | float, open_: Array | float) -> Vector:
    """Return the light that falls on a surface."""
    to = vector(stage.lamp) - point
    squared = to.dot(to)
    facing = jnp.maximum(normal.dot(to) * jax.lax.rsqrt(squared), 0)
    direct = facing * lit / (1 + (squared / stage.reach**2) ** 2)
    # Ambient light comes from the sky above, and a little from the floor below.
    around = open_ * (0.68 + 0.32 * normal.z)
    return direct * vector(stage.lamp_colour) + around * vector(stage.ambient)


def _touched(stage: Stage, size: int, place: Array, eye: Array, view: Array) -> Array:
    """Return which tiles [rows, columns] of a frame a toy, its string, its shadow or its shade can touch."""
    corners = jnp.stack(jnp.meshgrid(*[jnp.array([-1.0, 1.0])] * 3, indexing="ij"), -1).reshape(8, 3)
    around = stage.radius[:, None, None] * corners
    body = place[:, None] + 1.1 * around
    ray = body - stage.lamp
    down = jnp.where(ray[..., 2] < -1e-3, stage.lamp[2] / -jnp.minimum(ray[..., 2], -1e-3), 1.0)
    shadow = stage.lamp + jnp.clip(down, 0, 1.5)[..., None] * ray
    shade = ((place[:, None] + 1.8 * around) * jnp.array([1.0, 1.0, 0.0])).at[..., 2].set(0.0)
    string = jnp.stack([place, stage.pivot], 1)[:, :, None] + 0.1 * corners
    boxes = [_box(points, eye, view, size) for points in (body, shadow, shade, string.reshape(TOYS, 16, 3))]
    low, high = (jnp.concatenate([box[i] for box in boxes]) for i in range(2))
    present = stage.shape < rays.NOTHING
    near = present & (place[:, 2] < 3 * stage.radius)
    shown = jnp.concatenate([present, present, near, stage.pivot[:, 2] > 0])
    edge = jnp.arange(size // _TILE) * _TILE
    across, over = ((edge[:, None] < high[:, i] + 1) & (edge[:, None] + _TILE > low[:, i] - 1) for i in range(2))
    return (over[:, None] & across & shown).any(-1)


def _box(points: Array, eye: Array, view: Array, size: int) -> tuple[Array, Array]:
    """Return the smallest and the largest (x, y) in pixels of points [n, k, 3], each [n, 2]."""
    right, down, ahead = jnp.moveaxis(jnp.einsum("ij,nkj->nki", view, points - eye), -1, 0)
    at = (0.5 + FOCAL * jnp.stack([right, down], -1) / jnp.maximum(ahead, 0.2)[..., None]) * size
    return at.min(1), at.max(1)


def _tiles(stage: Stage, size: int, tiles: Array) -> tuple[Array, Array, Array]:
    """Return colour, depth and toy of tiles [n], each [n, pixels, ...]."""
    side = size // _TILE
    frame = jnp.minimum(tiles // side**2, stage.eye.shape[0] - 1)
    row, column = tiles // side % side, tiles % side
    inner = jnp.arange(_TILE) + 0.5
    # [sample, tile, pixel] from here on.
    x = column[:, None] * _TILE + jnp.tile(inner, _TILE) + _SAMPLES[:, 0, None, None]
    y = row[:, None] * _TILE + jnp.repeat(inner, _TILE) + _SAMPLES[:, 1, None, None]
    direction = _towards(jnp.moveaxis(stage.view[frame], 0, -1)[..., None], x, y, size)
    eye = vector(stage.eye[frame][:, None])
    toys = _Toys(stage, stage.place[frame], stage.turn[frame])
    colour, depth, toy = _rays(stage, size, toys, eye, direction)
    return colour.stack().mean(0), depth[0, ..., None], toy[0, ..., None]


def _rays(stage: Stage, size: int, toys: "_Toys", eye: Vector, direction: Vector) -> tuple[Vector, Array, Array]:
    """Return colour, depth and toy of rays [sample, tile, pixel]."""
    ground = rays.floor(eye, direction)
    hit, which = toys.nearest(eye, direction)
    on_toy = hit < ground
    distance = jnp.minimum(hit, ground)
    point = eye + jnp.where(jnp.isfinite(distance), distance, 1.0) * direction
    own, normal = toys.surface(which, point)
    normal = vectors.where(on_toy, normal, UP)
    start = point + 2e-3 * normal
    spread = jnp.sqrt((stage.lamp**2).sum()) * _LAMP_POINTS
    blocked, _ = toys.nearest(start, vector(stage.lamp + spread[:, None, None]) - start)
    lit = jnp.where(blocked < 1, 0.0, 1.0)
    open_ = toys.open(point, normal, jnp.where(on_toy, which, -1))

    material = _of(stage.material, which)
    base = surfaces.toy(
        material == _WOOD,
        _paint(stage, which),
        _of(stage.pattern, which),
        stage.pattern.max() > 0,
        own,
        stage.grain,
    )
    ray = direction.unit()
    facing = ray.dot(normal)
    mirrored = ray - 2 * facing * normal
    matt = base * _light(stage, point, normal, lit, open_)
    shine = lit * jnp.maximum(mirrored.dot((vector(stage.lamp) - point).unit()), 0) ** 18
    rough = matt + (jnp.where(material == _RUBBER, 0.22, 0.1) * shine) * vector(stage.lamp_colour)

    def polished(_: None) -> Vector:
        around = _mirrored(stage, size, toys, start, mirrored) * (0.35 + 0.65 * open_) + 1.2 * shine**3 * _WHITE
        tint = base + (1 - jnp.abs(facing)) ** 5 * (_WHITE - base)
        return vectors.where(material == _METAL, 0.75 * tint * around + 0.25 * matt, rough)

    surface = jax.lax.cond((stage.material == _METAL).any(), polished, lambda _: rough, None)
    under = _floor_or_sky(stage, size, eye, direction, ground, lit, open_)
    colour = vectors.where(on_toy, surface, under)

    def strung(seen: tuple[Vector, Array, Array]) -> tuple[Vector, Array, Array]:
        colour, distance, toy = seen
        for each in range(TOYS):
            string = rays.string(eye, direction, vector(stage.pivot[each]), toys.centre(each), _STRING)
            front = (string < distance) & (stage.pivot[each, 2] > 0)
            colour = vectors.where(front, 0.35 * vector(stage.ambient), colour)
            distance, toy = jnp.where(front, string, distance), jnp.where(front, -1, toy)
        return colour, distance, toy

    seen = (colour, distance, jnp.where(on_toy, which, -1))
    colour, distance, toy = jax.lax.cond((stage.pivot[:, 2] > 0).any(), strung, lambda seen: seen, seen)
    return colour, distance, toy.astype(jnp.int8)


def _mirrored(stage: Stage, size: int, toys: "_Toys", origin: Vector, direction: Vector) -> Vector:
    """Return the colour of a reflection: the sky, the floor, and toys in their plain colour."""
    ground = rays.floor(origin, direction)
    hit, which = toys.nearest(origin, direction)
    behind = _floor_or_sky(stage, size, origin, direction, ground, 1.0, 1.0)
    light = 0.6 * vector(stage.lamp_colour) * (1 / (1 + (4 / stage.reach) ** 4)) + vector(stage.ambient)
    return vectors.where(hit < ground, _paint(stage, which) * light, behind)


def _of(values: Array, which: Array) -> Array:
    """Return the value of the toy that each ray hits; a chain of selections is cheaper than a gather."""
    chosen = jnp.broadcast_to(values[0], which.shape)
    for toy in range(1, TOYS):
        chosen = jnp.where(which == toy, values[toy], chosen)
    return chosen


def _paint(stage: Stage, which: Array) -> Vector:
    return Vector(*(_of(stage.paint[:, part], which) for part in range(3)))


class _Toys(NamedTuple):
    """The toys of a stage in the frames of n tiles: place [n, toys, 3], turn [n, toys, 3, 3]."""

    stage: Stage
    place: Array
    turn: Array

    def centre(self, toy: int) -> Vector:
        """Return the position of a toy, [tile, 1]."""
        return vector(self.place[:, None, toy])

    def _own(self, toy: int, vectors: Vector) -> Vector:
        """Transform directions to the axes of a toy of size 1."""
        axes = self.turn[:, toy, :, :, None] / self.stage.radius[toy]
        return Vector(*(vectors.dot(Vector(*axes[:, :, part].swapaxes(0, 1))) for part in range(3)))

    def _world(self, toy: int, vectors: Vector) -> Vector:
        """Transform directions of length 1 from a toy's axes to those of the world."""
        axes = self.turn[:, toy, :, :, None]
        return Vector(*(vectors.dot(Vector(*axes[:, part].swapaxes(0, 1))) for part in range(3)))

    def nearest(self, origin: Vector, direction: Vector) -> tuple[Array, Array]:
        """Return the distance to the first toy that each ray hits, and its index."""
        shape = jnp.broadcast_shapes(jnp.shape(origin.x), jnp.shape(direction.x))
        nearest, which = jnp.full(shape, jnp.inf), jnp.zeros(shape, jnp.int32)
        for toy in range(TOYS):
            start = self._own(toy, origin - self.centre(toy))
            distance = rays.meet(self.stage.shape[toy], start, self._own(toy, direction))
            which = jnp.where(distance < nearest, toy, which)
            nearest = jnp.minimum(nearest, distance)
        return nearest, which

    def surface(self, which: Array, point: Vector) -> tuple[Vector, Vector]:
        """Return points in the axes of the toys whose surface they are on, and normals in the axes of the world."""
        own, normal = point, point
        for toy in range(TOYS):
            at = self._own(toy, point - self.centre(toy))
            out = self._world(toy, rays.normal(self.stage.shape[toy], at))
            own, normal = vectors.where(which == toy, at, own), vectors.where(which == toy, out, normal)
        return own, normal

    def open(self, point: Vector, normal: Vector, itself: Array) -> Array:
        """Return the fraction of the surroundings that is visible from a point, with toys approximated as balls."""
        share = jnp.ones_like(point.x)
        for toy in range(TOYS):
            to = self.centre(toy) - point
            squared = to.dot(to) + 1e-6
            facing = jnp.maximum(normal.dot(to) * jax.lax.rsqrt(squared), 0)
            hidden = facing * jnp.minimum((0.85 * self.stage.radius[toy]) ** 2 / squared, 1)
            share *= jnp.where(itself == toy, 1.0, 1 - 0.85 * hidden)
        return share


def _tiled(image: Array) -> Array:
    """Return [T, H, W, C] as tiles [T * rows * columns + 1, pixels, C]; the last tile is for discarded results."""
    frames, height, width, channels = image.shape
    tiles = image.reshape(frames, height // _TILE, _TILE, width // _TILE, _TILE, channels).swapaxes(2, 3)
    return jnp.pad(tiles.reshape(-1, _TILE * _TILE, channels), ((0, 1), (0, 0), (0, 0)))


def _whole(tiles: Array, frames: int, side: int) -> Array:
    tiles = tiles[:-1].reshape(frames, side, side, _TILE, _TILE, -1).swapaxes(2, 3)
    return tiles.reshape(frames, side * _TILE, side * _TILE, -1)
