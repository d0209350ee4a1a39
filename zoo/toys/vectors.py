"""Vectors in space whose three components are separate arrays, so that all arithmetic is elementwise and fuses.

With an array [..., 3], every rotation would be a matrix product and every component a strided read.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Vector:
    """x, y and z, each an array; their shapes broadcast."""

    x: Array | float
    y: Array | float
    z: Array | float

    def __add__(self, other: "Vector") -> "Vector":
        return Vector(self.x + other.x, self.y + other.y, self.z + other.z)

    def __sub__(self, other: "Vector") -> "Vector":
        return Vector(self.x - other.x, self.y - other.y, self.z - other.z)

    def __mul__(self, factor: "Array | float | Vector") -> "Vector":
        by = factor if isinstance(factor, Vector) else Vector(factor, factor, factor)
        return Vector(self.x * by.x, self.y * by.y, self.z * by.z)

    __rmul__ = __mul__

    def dot(self, other: "Vector") -> Array:
        """Return the inner product."""
        return jnp.asarray(self.x * other.x + self.y * other.y + self.z * other.z)

    def unit(self) -> "Vector":
        """Return the vector at length 1."""
        return self * jax.lax.rsqrt(self.dot(self) + 1e-12)

    def stack(self) -> Array:
        """Return an array [..., 3]."""
        return jnp.stack(jnp.broadcast_arrays(self.x, self.y, self.z), -1)


UP = Vector(0.0, 0.0, 1.0)


def vector(array: Array) -> Vector:
    """Return [..., 3] as a vector of arrays [...]."""
    return Vector(array[..., 0], array[..., 1], array[..., 2])


def where(condition: Array, one: Vector, other: Vector) -> Vector:
    """Return `one` where the condition holds, else `other`."""
    return Vector(*(jnp.where(condition, getattr(one, part), getattr(other, part)) for part in "xyz"))
