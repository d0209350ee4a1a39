"""Intersect rays with a ball, a cube, a cylinder, a cone, a string and the floor, in closed form.

Shapes of size 1 are centred at the origin, upright along z, with the extents of `toys.EXTENT`. Distances are in lengths
of the direction, and infinite for a miss.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from .toys import EXTENT, SHAPES
from .vectors import Vector

_NEAR = 1e-3
NOTHING = len(SHAPES)
"""Index of a shape that no ray hits."""


def meet(shape: Array, origin: Vector, direction: Vector) -> Array:
    """Return the distance to a shape of size 1, in the shape's own axes; `shape` is a scalar index of `SHAPES`."""
    known = {"ball": _ball, "cube": _cube, "cylinder": _cylinder, "cone": _cone}
    meets = [partial(_of_extent, known[name], *EXTENT[name]) for name in SHAPES]
    return jax.lax.switch(shape, [*meets, lambda o, d: jnp.full_like(d.x, jnp.inf)], origin, direction)


def normal(shape: Array, point: Vector) -> Vector:
    """Return the outward normal of a shape of size 1, a scalar index of `SHAPES`, at a point of its surface."""
    known = {"ball": _ball_normal, "cube": _cube_normal, "cylinder": _cylinder_normal, "cone": _cone_normal}
    return jax.lax.switch(shape, [*(known[name] for name in SHAPES), _ball_normal], point)


def string(origin: Vector, direction: Vector, top: Vector, bottom: Vector, radius: float) -> Array:
    """Return the distance at which a ray passes within `radius` of a segment."""
    axis, to = bottom - top, origin - top
    a, b = axis.dot(axis), axis.dot(direction)
    c, d, e = direction.dot(direction), axis.dot(to), direction.dot(to)
    at = jnp.clip((d * c - b * e) / jnp.maximum(a * c - b * b, 1e-9), 0, 1)
    distance = (at * b - e) / c
    gap = to + distance * direction - at * axis
    return jnp.where((gap.dot(gap) < radius**2) & (distance > _NEAR), distance, jnp.inf)


def floor(origin: Vector, direction: Vector) -> Array:
    """Return the distance to the plane z = 0, from above."""
    return jnp.where(direction.z < -1e-6, -origin.z / jnp.minimum(direction.z, -1e-6), jnp.inf)


def _of_extent(meets: Callable[..., Array], wide: float, high: float, origin: Vector, direction: Vector) -> Array:
    return meets(origin, direction, wide, high)


def _ahead(distance: Array, hit: Array) -> Array:
    return jnp.where(hit & (distance > _NEAR), distance, jnp.inf)


def _away(value: Array | float) -> Array:
    """Keep a divisor away from zero."""
    return jnp.where(jnp.abs(value) < 1e-9, 1e-9, value)


def _ball(origin: Vector, direction: Vector, radius: float, _: float) -> Array:
    a, b = direction.dot(direction), origin.dot(direction)
    under = b * b - a * (origin.dot(origin) - radius**2)
    root = jnp.sqrt(jnp.maximum(under, 0))
    # From inside, as just above the floor where a ball touches it, a ray hits the far side.
    near = (-b - root) / a
    return _ahead(jnp.where(near > _NEAR, near, (-b + root) / a), under > 0)


def _ball_normal(point: Vector) -> Vector:
    return point.unit()


def _cube(origin: Vector, direction: Vector, half: float, _: float) -> Array:
    near, far = -jnp.inf, jnp.inf
    for o, d in ((origin.x, direction.x), (origin.y, direction.y), (origin.z, direction.z)):
        d = _away(d)
        one, two = (-half - o) / d, (half - o) / d
        near, far = jnp.maximum(near, jnp.minimum(one, two)), jnp.minimum(far, jnp.maximum(one, two))
    return _ahead(near, near < far)


def _cube_normal(point: Vector) -> Vector:
    x, y, z = jnp.abs(point.x), jnp.abs(point.y), jnp.abs(point.z)
    on_x, on_y = (x >= y) & (x >= z), (y > x) & (y >= z)
    zero = jnp.zeros_like(x)
    return Vector(
        jnp.where(on_x, jnp.sign(point.x), zero),
        jnp.where(on_y, jnp.sign(point.y), zero),
        jnp.where(on_x | on_y, zero, jnp.sign(point.z)),
    )


def _cylinder(origin: Vector, direction: Vector, radius: float, half: float) -> Array:
    a = direction.x**2 + direction.y**2 + 1e-12
    b = origin.x * direction.x + origin.y * direction.y
    under = b * b - a * (origin.x**2 + origin.y**2 - radius**2)
    root = jnp.sqrt(jnp.maximum(under, 0))
    near = (-b - root) / a
    side = jnp.where(near > _NEAR, near, (-b + root) / a)  # from inside it is the far side, as for a ball
    side = _ahead(side, (under > 0) & (jnp.abs(origin.z + side * direction.z) < half))
    return jnp.minimum(side, _disc(origin, direction, jnp.where(origin.z > 0, half, -half), radius))


def _cylinder_normal(point: Vector) -> Vector:
    side = jnp.abs(point.z) < EXTENT["cylinder"][1] - 1e-3
    zero = jnp.zeros_like(point.x)
    turned = Vector(point.x, point.y, zero).unit()
    return Vector(
        jnp.where(side, turned.x, zero), jnp.where(side, turned.y, zero), jnp.where(side, zero, jnp.sign(point.z))
    )


def _cone(origin: Vector, direction: Vector, radius: float, half: float) -> Array:
    slope = (radius / (2 * half)) ** 2
    below = half - origin.z  # under the tip
    a = _away(direction.x**2 + direction.y**2 - slope * direction.z**2)
    b = origin.x * direction.x + origin.y * direction.y + slope * below * direction.z
    under = b * b - a * (origin.x**2 + origin.y**2 - slope * below**2)
    root = jnp.sqrt(jnp.maximum(under, 0))
    sides = jnp.inf
    for distance in ((-b - root) / a, (-b + root) / a):
        inside = (under > 0) & (jnp.abs(origin.z + distance * direction.z) < half)
        sides = jnp.minimum(sides, _ahead(distance, inside))
    return jnp.minimum(sides, _disc(origin, direction, -half, radius))


def _cone_normal(point: Vector) -> Vector:
    radius, half = EXTENT["cone"]
    side = point.z > -half + 1e-3
    zero = jnp.zeros_like(point.x)
    along = jnp.sqrt(point.x**2 + point.y**2) + 1e-9
    leaning = Vector(point.x / along, point.y / along, zero + radius / (2 * half)).unit()
    return Vector(jnp.where(side, leaning.x, zero), jnp.where(side, leaning.y, zero), jnp.where(side, leaning.z, -1.0))


def _disc(origin: Vector, direction: Vector, height: Array | float, radius: float) -> Array:
    distance = (height - origin.z) / _away(direction.z)
    x, y = origin.x + distance * direction.x, origin.y + distance * direction.y
    return _ahead(distance, x * x + y * y < radius**2)
