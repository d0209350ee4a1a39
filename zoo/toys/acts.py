"""The motion of toys in closed form: position, rotation and contacts at any time.

In: times in seconds. Out: positions of the centre, rotations, contacts. The model is rigid bodies, central impacts and
dry friction. Nothing is integrated step by step, so any single frame of a clip can be computed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

from .toys import GRAVITY, RESTITUTION, Material, Size, Toy

SLIDING, ROLLING = 1.1, 0.32
"""Deceleration of sliding and of rolling toys, in units a second squared."""
_RESTS = 0.3  # below this speed of impact a toy comes to rest
_IMPACTS = 6  # most impacts of two toys with each other


class Contact(NamedTuple):
    """An impact, which makes a toy ring: seconds, speed in units a second, material of the toy."""

    time: float
    speed: float
    material: Material
    size: Size


class Act(Protocol):
    """The motion of one toy."""

    @property
    def contacts(self) -> Sequence[Contact]: ...

    def place(self, time: np.ndarray) -> np.ndarray:
        """Return the centre of the toy, [..., 3], at times [...]."""
        ...

    def turn(self, time: np.ndarray) -> np.ndarray:
        """Return the rotation from the toy's own axes to those of the world, [..., 3, 3]."""
        ...

    def scrape(self, time: np.ndarray) -> np.ndarray:
        """Return the speed over the floor, [...], positive for rolling and negative for sliding."""
        ...


@dataclass(frozen=True)
class Course:
    """Travel along x until friction stops it: a speed in units a second from `begins` on, slowed by `friction`."""

    start: float
    speed: float
    friction: float
    begins: float = 0.0

    def x(self, time: np.ndarray) -> np.ndarray:
        """Return the position along x."""
        lasts = np.clip(time - self.begins, 0, abs(self.speed) / self.friction)
        return self.start + np.sign(self.speed) * (abs(self.speed) * lasts - self.friction * lasts**2 / 2)

    def velocity(self, time: np.ndarray) -> np.ndarray:
        """Return the velocity, negative to the left."""
        slowed = np.maximum(abs(self.speed) - self.friction * np.maximum(time - self.begins, 0), 0)
        return np.where(time >= self.begins, np.sign(self.speed) * slowed, 0.0)


@dataclass(frozen=True)
class Travels:
    """Rolls or slides along x, through one or more courses: each ends where the next begins."""

    toy: Toy
    courses: tuple[Course, ...]
    depth: float = 0.0
    rolls: bool = False
    facing: float = 0.0
    contacts: tuple[Contact, ...] = ()

    def _now(self, time: np.ndarray, what: str) -> np.ndarray:
        value = getattr(self.courses[0], what)(time)
        for course in self.courses[1:]:
            value = np.where(time >= course.begins, getattr(course, what)(time), value)
        return value

    def place(self, time: np.ndarray) -> np.ndarray:
        height = self.toy.half_width if self.rolls else self.toy.half_height
        x = self._now(time, "x")
        return np.stack([x, np.full_like(x, self.depth), np.full_like(x, height)], -1)

    def velocity(self, time: np.ndarray) -> np.ndarray:
        """Return the velocity along x, negative to the left."""
        return self._now(time, "velocity")

    def turn(self, time: np.ndarray) -> np.ndarray:
        upright = about_z(np.full_like(time, self.facing))
        if not self.rolls:
            return upright
        lying = about_x(np.full_like(time, np.pi / 2)) if self.toy.shape == "cylinder" else upright
        return about_y(self._now(time, "x") / self.toy.half_width) @ lying

    def scrape(self, time: np.ndarray) -> np.ndarray:
        return np.abs(self.velocity(time)) * (1 if self.rolls else -1)


@dataclass(frozen=True)
class Falls:
    """Falls from a height, or is thrown, and bounces until it rests.

    Attributes:
        start: centre at time `begins`.
        throw: velocity along x and z at that time.
        floor: height of the surface it falls on, 0 for the floor.
        restitution: fraction of the speed after a bounce; None: that of the material.
    """

    toy: Toy
    start: tuple[float, float, float]
    throw: tuple[float, float] = (0.0, 0.0)
    floor: float = 0.0
    restitution: float | None = None
    facing: float = 0.0
    begins: float = 0.0

    @cached_property
    def _arcs(self) -> np.ndarray:
        """Return rows of time, x, z, vx, vz at the start of each arc; the last row is where it rests or slides."""
        rest = RESTITUTION[self.toy.material] if self.restitution is None else self.restitution
        ground = self.floor + self.toy.half_height
        time, x, z = self.begins, self.start[0], self.start[2]
        (vx, vz), arcs = self.throw, []
        for _ in range(200):
            arcs.append((time, x, z, vx, vz))
            lasts = (vz + np.sqrt(vz**2 + 2 * GRAVITY * max(z - ground, 0.0))) / GRAVITY
            impact = GRAVITY * lasts - vz
            time, x, z, vx, vz = time + lasts, x + vx * lasts, ground, vx * (0.35 + 0.5 * rest), rest * impact
            if vz < _RESTS:
                break
        return np.array([*arcs, (time, x, ground, vx, 0.0)])

    @property
    def contacts(self) -> tuple[Contact, ...]:
        speeds = GRAVITY * np.diff(self._arcs[:, 0]) - self._arcs[:-1, 4]
        return tuple(
            Contact(float(time), float(speed), self.toy.material, self.toy.size)
            for time, speed in zip(self._arcs[1:, 0], speeds, strict=True)
        )

    @property
    def rests(self) -> float:
        """The time of the last contact."""
        return float(self._arcs[-1, 0])

    @property
    def reaches(self) -> float:
        """The position along x where it ends."""
        return float(self._after().x(np.array(1e6)))

    def _after(self) -> Course:
        time, x, _, vx, _ = self._arcs[-1]
        return Course(x, vx, ROLLING if self.toy.shape == "ball" else SLIDING, time)

    def place(self, time: np.ndarray) -> np.ndarray:
        arcs, last = self._arcs, len(self._arcs) - 1
        time = np.maximum(time, self.begins)
        arc = arcs[np.clip(np.searchsorted(arcs[:, 0], time, side="right") - 1, 0, last)]
        since = time - arc[..., 0]
        x, z = arc[..., 1] + arc[..., 3] * since, arc[..., 2] + arc[..., 4] * since - GRAVITY / 2 * since**2
        resting = time >= self.rests
        x, z = np.where(resting, self._after().x(time), x), np.where(resting, arcs[-1, 2], z)
        return np.stack([x, np.full_like(x, self.start[1]), z], -1)

    def turn(self, time: np.ndarray) -> np.ndarray:
        upright = about_z(np.full_like(time, self.facing))
        if self.toy.shape == "ball" and self.throw[0]:
            return about_y((self.place(time)[..., 0] - self.start[0]) / self.toy.radius) @ upright
        return upright

    def scrape(self, time: np.ndarray) -> np.ndarray:
        along = np.where(time >= self.rests, np.abs(self._after().velocity(time)), 0.0)
        return along * (1 if self.toy.shape == "ball" else -1)


@dataclass(frozen=True)
class Spins:
    """Stands at a position and turns about its upright axis, in radians a second; with speed 0 it stands still."""

    toy: Toy
    at: tuple[float, float]
    speed: float = 0.0
    on: float = 0.0
    facing: float = 0.0
    begins: float = 0.0
    contacts: tuple[Contact, ...] = ()

    def place(self, time: np.ndarray) -> np.ndarray:
        return np.broadcast_to([*self.at, self.on + self.toy.half_height], (*np.shape(time), 3)).copy()

    def turn(self, time: np.ndarray) -> np.ndarray:
        return about_z(self.facing + self.speed * np.maximum(time - self.begins, 0))

    def scrape(self, time: np.ndarray) -> np.ndarray:
        return np.zeros_like(time)


@dataclass(frozen=True)
class Swings:
    """Hangs on a string and swings along x, through `widest` radians to each side."""

    toy: Toy
    pivot: tuple[float, float, float]
    length: float
    widest: float
    phase: float = 0.0
    facing: float = 0.0
    contacts: tuple[Contact, ...] = ()

    def angle(self, time: np.ndarray) -> np.ndarray:
        """Return the angle from the vertical in radians, positive to the right."""
        return self.widest * np.cos(np.sqrt(GRAVITY / self.length) * time + self.phase)

    def place(self, time: np.ndarray) -> np.ndarray:
        angle = self.angle(time)
        hangs = np.stack([np.sin(angle), np.zeros_like(angle), -np.cos(angle)], -1)
        return np.asarray(self.pivot) + self.length * hangs

    def turn(self, time: np.ndarray) -> np.ndarray:
        return about_y(-self.angle(time)) @ about_z(np.full_like(time, self.facing))

    def scrape(self, time: np.ndarray) -> np.ndarray:
        return np.zeros_like(time)


def collide(one: Travels, other: Spins) -> tuple[Travels, Travels]:
    """Return the motions of two toys when the first runs into the second, which stands in its way.

    Impacts are central: momentum is conserved, and the relative speed after is the restitution times that before. A
    rolling toy may catch up with a sliding one and strike it again.
    """
    toy, hit = one.toy, other.toy
    pushed = ROLLING if hit.shape == "ball" else SLIDING
    side, apart = np.sign(one.courses[0].speed), toy.half_width + hit.half_width
    runs, flees = Travels(toy, one.courses, one.depth, one.rolls, one.facing), _standing(other, pushed)
    rings: list[Contact] = []
    moments = np.arange(0, 12, 1e-3)
    while len(rings) < 2 * _IMPACTS:
        after = moments[moments > (rings[-1].time + 2e-3 if rings else 0)]
        gap = side * (flees.place(after)[:, 0] - runs.place(after)[:, 0]) - apart
        if not (gap < 0).any():
            break
        time = float(after[np.argmax(gap < 0)])
        at = float(runs.place(np.array(time))[0])
        before, ahead = (float(each.velocity(np.array(time))) for each in (runs, flees))
        closing, both = before - ahead, toy.mass + hit.mass
        rest = (RESTITUTION[toy.material] + RESTITUTION[hit.material]) / 2
        slow = before - (1 + rest) * closing * hit.mass / both
        fast = ahead + (1 + rest) * closing * toy.mass / both
        if abs(closing) < _RESTS:  # too slow for a bounce: they come to rest against each other
            slow = fast = 0.0
        else:
            rings += [Contact(time, abs(closing), each.material, each.size) for each in (toy, hit)]
        runs = replace(runs, courses=(*runs.courses, Course(at, slow, one.courses[0].friction, time)))
        flees = replace(flees, courses=(*flees.courses, Course(at + side * apart, fast, pushed, time)))
        if slow == fast:
            break
    return replace(runs, contacts=tuple(rings)), flees


def _standing(act: Spins, friction: float) -> Travels:
    course = Course(act.at[0], 0.0, friction)
    return Travels(act.toy, (course,), act.at[1], act.toy.shape == "ball", act.facing)


def about_x(angle: np.ndarray) -> np.ndarray:
    """Return rotations about x by angles in radians, [..., 3, 3]."""
    c, s, o, i = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    return np.stack([i, o, o, o, c, -s, o, s, c], -1).reshape(*angle.shape, 3, 3)


def about_y(angle: np.ndarray) -> np.ndarray:
    """Return rotations about y, which turn the upward direction to the right."""
    c, s, o, i = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    return np.stack([c, o, s, o, i, o, -s, o, c], -1).reshape(*angle.shape, 3, 3)


def about_z(angle: np.ndarray) -> np.ndarray:
    """Return rotations about z."""
    c, s, o, i = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    return np.stack([c, -s, o, s, c, o, o, o, i], -1).reshape(*angle.shape, 3, 3)
