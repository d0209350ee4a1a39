"""Colours of surfaces without lighting: floors, the sky, paint, grain and patterns of toys."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from . import vectors
from .toys import pattern_pictures
from .vectors import Vector


def sky(direction: Vector, horizon: Vector, zenith: Vector) -> Vector:
    """Return the colour of the sky in a direction of length 1."""
    return horizon + jnp.sqrt(jnp.clip(direction.z * 1.6, 0, 1)) * (zenith - horizon)


def floor(kind: Array, x: Array, y: Array, width: Array) -> Vector:
    """Return the colour of the floor at (x, y).

    Args:
        kind: a scalar index of `scenes.FLOORS`: planks, tiles, grass, snow.
        x, y: in units, in the axes of the floor's pattern.
        width: of a pixel on the floor in units; details finer than that fade.
    """
    return jax.lax.switch(kind, (_planks, _tiles, _grass, _snow), x, y, width)


def _planks(x: Array, y: Array, width: Array) -> Vector:
    row = jnp.floor(y / 0.7)
    along = x + row * 1.7
    board = _scattered(row + 17 * jnp.floor(along / 3.2))
    grain = jnp.sin(y * 23 + 2 * jnp.sin(along * 1.3 + row)) * _kept(0.28, width)
    seam = jnp.minimum(_line(y, 0.7, 0.03, width) + _line(along, 3.2, 0.03, width), 1)
    shade = (0.85 + 0.3 * (board - 0.5) * _kept(0.7, width) + 0.06 * grain) * (1 - 0.5 * seam)
    return shade * Vector(0.46, 0.27, 0.13)


def _tiles(x: Array, y: Array, width: Array) -> Vector:
    checks = jnp.sign(jnp.mod(x, 2) - 1) * jnp.sign(jnp.mod(y, 2) - 1) * _kept(1.0, width)
    seam = jnp.minimum(_line(x, 1.0, 0.025, width) + _line(y, 1.0, 0.025, width), 1)
    return (0.4 + 0.09 * checks) * (1 - 0.35 * seam) * Vector(1.0, 0.97, 0.92)


def _grass(x: Array, y: Array, width: Array) -> Vector:
    tufts = ((2.3, 1.1, 0.5), (-1.7, 3.1, 1.9), (5.1, -3.7, 0.2), (4.3, 6.1, 2.4), (-9.7, 4.4, 0.8))
    return (1 + 0.13 * _waves(x, y, width, tufts)) * Vector(0.13, 0.3, 0.07)


def _snow(x: Array, y: Array, width: Array) -> Vector:
    drifts = ((0.9, 0.5, 0.3), (-0.6, 1.3, 1.1), (2.1, 1.2, 2.0))
    return (1 + 0.035 * _waves(x, y, width, drifts)) * Vector(0.7, 0.74, 0.8)


def toy(wooden: Array, paint: Vector, pattern: Array, patterned: Array, point: Vector, grain: Array) -> Vector:
    """Return the colour of toys' surfaces.

    Args:
        wooden: bool, where the toy is of wood.
        paint: colour of the toy.
        pattern: int32, an index of `toys.PATTERNS`.
        patterned: a scalar, False if no visible toy has a pattern.
        point: on a shape of size 1 in its own axes.
        grain: seed of the grain of wood.
    """
    rings = jnp.sqrt((point.x + 0.7 + 0.1 * jnp.sin(3 * point.z + grain)) ** 2 + (point.y - 0.4) ** 2)
    dark = 0.79 + 0.21 * jnp.sin(9 * rings + 0.6 * jnp.sin(5 * point.z) + grain)
    wood = dark * (0.85 * paint + Vector(0.063, 0.036, 0.015))
    base = vectors.where(wooden, wood, paint)
    covered = jax.lax.cond(patterned, _covered, lambda pattern, point: jnp.zeros_like(point.x), pattern, point)
    # Dark patterns on light paint, light ones on dark paint.
    light = paint.dot(Vector(0.21, 0.72, 0.07)) > 0.3
    shade = jnp.where(light, 0.03, 0.88)
    return base + covered * (Vector(shade, shade, shade) - base)


_PICTURES = pattern_pictures()


def _covered(pattern: Array, point: Vector) -> Array:
    """Return whether a pattern covers a point, 0 or 1: each of six faces of the cube around a toy shows it whole."""
    side = _PICTURES.shape[-1]
    x, y, z = jnp.abs(point.x), jnp.abs(point.y), jnp.abs(point.z)
    top, ends = (z > x) & (z > y), x > y
    across = jnp.where(top, point.x, jnp.where(ends, point.y * jnp.sign(point.x), -point.x * jnp.sign(point.y)))
    up = jnp.where(top, point.y * jnp.sign(point.z), point.z)
    span = jnp.where(top, z, jnp.where(ends, x, y)) + 1e-6
    # Use the height of the shape for a face, or a cone's tip would enlarge the pattern.
    high = jnp.where(top, span, 0.85)
    column = jnp.clip(((across / span + 1) / 2 * side).astype(jnp.int32), 0, side - 1)
    row = jnp.clip(((1 - up / high) / 2 * side).astype(jnp.int32), 0, side - 1)
    return jnp.asarray(_PICTURES.reshape(-1))[(pattern * side + row) * side + column]


def _kept(period: float, width: Array) -> Array:
    """Return the contrast, 1 to 0, of a detail of this period in pixels of this width."""
    return jnp.clip(1.6 - 2.4 * width / period, 0, 1)


def _line(at: Array, period: float, half: float, width: Array) -> Array:
    """Return the fraction of a pixel that is covered by lines at multiples of `period`."""
    away = jnp.abs(jnp.mod(at + period / 2, period) - period / 2)
    reach = jnp.maximum(width, 1e-3)
    return jnp.clip((half - away) / reach + 0.5, 0, 1) * jnp.minimum(1, 2 * half / reach)


def _waves(x: Array, y: Array, width: Array, waves: tuple[tuple[float, float, float], ...]) -> Array:
    total = jnp.zeros_like(x)
    for across, away, phase in waves:
        total += jnp.sin(across * x + away * y + phase) * _kept(2 * np.pi / float(np.hypot(across, away)), width)
    return total


def _scattered(number: Array) -> Array:
    """Return a pseudo-random value from 0 to 1 for each whole number."""
    return jnp.mod(jnp.sin(number * 12.9898) * 43758.547, 1.0)
