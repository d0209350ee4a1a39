"""The attributes of a toy: shape, colour, material, size and pattern, and its physical properties.

Lengths are in units of about a hand; the floor is z = 0, x runs to the right, y away from the camera, z up.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

Shape = Literal["ball", "cube", "cylinder", "cone"]
Colour = Literal["red", "orange", "yellow", "green", "cyan", "blue", "purple", "white"]
Material = Literal["rubber", "wood", "metal"]
Size = Literal["small", "large"]

SHAPES: tuple[Shape, ...] = get_args(Shape)
COLOURS: tuple[Colour, ...] = get_args(Colour)
MATERIALS: tuple[Material, ...] = get_args(Material)
SIZES: tuple[Size, ...] = get_args(Size)

GRAVITY = 5.0
"""Units a second squared: toys fall as slowly as large things do, slow enough for 8 frames a second."""

# Linear RGB.
PAINT = np.array(
    [
        [0.74, 0.04, 0.04],
        [0.90, 0.30, 0.02],
        [0.88, 0.66, 0.04],
        [0.06, 0.42, 0.10],
        [0.04, 0.56, 0.62],
        [0.05, 0.14, 0.70],
        [0.34, 0.06, 0.52],
        [0.82, 0.82, 0.80],
    ],
    np.float32,
)

# Half of a toy's extent, by size; for each shape of size 1 (half its width, half its height).
RADIUS: dict[Size, float] = {"small": 0.42, "large": 0.6}
EXTENT: dict[Shape, tuple[float, float]] = {
    "ball": (1.0, 1.0),
    "cube": (0.8, 0.8),
    "cylinder": (0.72, 0.85),
    "cone": (0.88, 0.95),
}
RESTITUTION: dict[Material, float] = {"rubber": 0.72, "wood": 0.42, "metal": 0.2}
DENSITY: dict[Material, float] = {"rubber": 1.0, "wood": 0.7, "metal": 3.0}

_LETTERS = {
    "A": (14, 17, 31, 17, 17),
    "C": (15, 16, 16, 16, 15),
    "E": (31, 16, 30, 16, 31),
    "F": (31, 16, 30, 16, 16),
    "H": (17, 17, 31, 17, 17),
    "K": (18, 20, 24, 20, 18),
    "L": (16, 16, 16, 16, 31),
    "N": (17, 25, 21, 19, 17),
    "R": (30, 17, 30, 18, 17),
    "T": (31, 4, 4, 4, 4),
    "X": (17, 10, 4, 10, 17),
    "Z": (31, 2, 4, 8, 31),
}
PATTERNS: tuple[str, ...] = ("plain", "stripes", "dots", "star", "ring", "cross", *_LETTERS)
NEW_PATTERNS = ("cross", "H", "R", "X")
"""Patterns that training never shows. They test whether a model copies a reference or only recognises it."""


@dataclass(frozen=True)
class Toy:
    """One toy. `pattern` is one of `PATTERNS`: a capital letter is that letter."""

    shape: Shape
    colour: Colour
    material: Material
    size: Size
    pattern: str = "plain"

    @property
    def radius(self) -> float:
        """Half the toy's extent; its shape stays within this distance of its centre along each axis."""
        return RADIUS[self.size]

    @property
    def half_height(self) -> float:
        """Height of the centre over the floor when the toy stands."""
        return self.radius * EXTENT[self.shape][1]

    @property
    def half_width(self) -> float:
        """Height of the centre over the floor when the toy rolls; half its width when it stands."""
        return self.radius * EXTENT[self.shape][0]

    @property
    def mass(self) -> float:
        """Relative mass: density times the cube of the radius."""
        return DENSITY[self.material] * self.radius**3


def pattern_pictures(side: int = 32) -> np.ndarray:
    """Return the mask of each pattern on a face, float32 [pattern, side, side], 0 or 1.

    Rows run from the top of a face down, columns from left to right.
    """
    at = (np.arange(side) + 0.5) / side * 2 - 1
    v, u = np.meshgrid(-at, at, indexing="ij")
    r, angle = np.hypot(u, v), np.arctan2(u, v)
    pictures = {
        "plain": np.zeros_like(u),
        "stripes": np.mod(v * 1.25 + 0.25, 1) < 0.5,
        "dots": np.hypot(np.mod(u * 1.25 + 0.5, 1) - 0.5, np.mod(v * 1.25 + 0.5, 1) - 0.5) < 0.3,
        "star": r < 0.36 + 0.5 * np.abs(np.mod(angle * 5 / (2 * np.pi) + 0.5, 1) - 0.5) * -1.1 + 0.42,
        "ring": (r > 0.4) & (r < 0.75),
        "cross": (np.abs(u) < 0.22) & (np.abs(v) < 0.8) | (np.abs(v) < 0.22) & (np.abs(u) < 0.8),
    }
    for letter, rows in _LETTERS.items():
        bits = np.array([[row >> (4 - column) & 1 for column in range(5)] for row in rows])
        cell = np.floor((at + 0.8) / 1.6 * 5).astype(int)
        inside = (cell >= 0) & (cell < 5)
        cell = np.clip(cell, 0, 4)
        pictures[letter] = bits[np.ix_(cell, cell)] * np.outer(inside, inside)
    return np.stack([pictures[name] for name in PATTERNS]).astype(np.float32)
