"""Random scenes: toys, their motions, their relative positions, the floor, the time of day, the camera.

In: a split and an index. Out: a `Scene` of plain values, the same on any machine. Captions, pictures and sound are made
from it, and it is the ground truth of judges.

"train" and "test" never show the combinations of colour, material, shape and motion for which `held_out` is true; every
scene of "held_out" shows one. Patterns of `NEW_PATTERNS` are also only in "held_out".
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar, get_args

import numpy as np

from .acts import ROLLING, SLIDING, Act, Contact, Course, Falls, Spins, Swings, Travels, collide
from .toys import COLOURS, GRAVITY, MATERIALS, NEW_PATTERNS, PATTERNS, SHAPES, SIZES, Shape, Toy

T = TypeVar("T")

Motion = Literal["drops", "bounces", "rolls", "slides", "spins", "swings", "flies", "stands"]
Link = Literal["left of", "right of", "behind", "in front of", "on", "into", "falls on", "passes behind"]
Side = Literal["left", "right"]
Floor = Literal["planks", "tiles", "grass", "snow"]
Hour = Literal["day", "evening", "night"]
CameraMove = Literal["still", "circles left", "circles right", "moves closer", "moves back", "rises"]
Split = Literal["train", "test", "held_out"]

MOTIONS: tuple[Motion, ...] = get_args(Motion)
FLOORS: tuple[Floor, ...] = get_args(Floor)
HOURS: tuple[Hour, ...] = get_args(Hour)
CAMERA_MOVES: tuple[CameraMove, ...] = get_args(CameraMove)
SPLITS: tuple[Split, ...] = get_args(Split)

FPS = 8
_PIVOT = 3.1  # height of the point that a string hangs from, above the picture


@dataclass(frozen=True)
class Player:
    """A toy and its motion; `side` is the direction of motions that have one."""

    toy: Toy
    motion: Motion
    act: Act
    side: Side | None = None


@dataclass(frozen=True)
class Camera:
    """Looks at the middle of the scene.

    Attributes:
        move: name of its motion.
        rate: of that motion, a second: degrees to the right, log2 of the zoom, or the rise as a fraction of its
            distance.
        elevation: in degrees, at the start.
        distance: to the middle, at the start.
        aim: height of the middle over the floor.
    """

    move: CameraMove = "still"
    rate: float = 0.0
    elevation: float = 18.0
    distance: float = 5.6
    aim: float = 0.75

    def path(self, time: np.ndarray) -> np.ndarray:
        """Return its path at times [...]: degrees to the right, log2 of the zoom, rise; float32 [..., 3]."""
        axis = {"circles": 0, "moves": 1, "rises": 2}.get(self.move.split()[0])
        path = np.zeros((*np.shape(time), 3), np.float32)
        if axis is not None:
            path[..., axis] = self.rate * time
        return path


@dataclass(frozen=True)
class Scene:
    """The complete content of a clip.

    Attributes:
        players: one to three toys, in the order in which captions name them.
        link: relation of the first toy to the second, or None if they are independent.
        light: direction of the light, in degrees to the right of the camera.
        turned: rotation of the floor's pattern in degrees.
        sounds: False for a clip whose caption asks for silence.
        seed: of details without names: the grain of wood, the noise of rolling toys.
    """

    players: tuple[Player, ...]
    link: Link | None
    floor: Floor
    hour: Hour
    camera: Camera
    light: float
    turned: float
    sounds: bool
    seed: int

    @property
    def contacts(self) -> tuple[Contact, ...]:
        """Return all impacts in order."""
        return tuple(sorted(contact for player in self.players for contact in player.act.contacts))


def held_out(toy: Toy, motion: Motion) -> bool:
    """Return whether this combination of colour, material, shape and motion is held out of training; one in eight."""
    mix = (COLOURS.index(toy.colour), MATERIALS.index(toy.material), SHAPES.index(toy.shape), MOTIONS.index(motion))
    return (mix[0] + 3 * mix[1] + 5 * mix[2] + 2 * mix[3]) % 8 == 0


def generator(split: Split, index: int) -> np.random.Generator:
    """Return the random generator of a scene."""
    return np.random.default_rng([SPLITS.index(split), index, 20261130])


def draw(split: Split, index: int) -> Scene:
    """Return scene `index` of a split."""
    rng = generator(split, index)
    players, link = _PLOTS[_choose(rng, _PLOT_NAMES, _PLOT_SHARES)](rng, split)
    return staged(rng, players, link)


def staged(rng: np.random.Generator, players: tuple[Player, ...], link: Link | None) -> Scene:
    """Return a scene of these players with a random floor, hour and camera."""
    move: CameraMove = _choose(rng, CAMERA_MOVES, (0.5, 0.13, 0.13, 0.09, 0.07, 0.08))
    rate = {
        "circles left": -rng.uniform(8, 16),
        "circles right": rng.uniform(8, 16),
        "moves closer": rng.uniform(0.1, 0.18),
        "moves back": -rng.uniform(0.08, 0.15),
        "rises": rng.uniform(0.06, 0.12),
    }.get(move, 0.0)
    return Scene(
        players=players,
        link=link,
        floor=_choose(rng, FLOORS, (0.3, 0.3, 0.2, 0.2)),
        hour=_choose(rng, HOURS, (0.66, 0.17, 0.17)),
        camera=Camera(move, float(rate), float(rng.uniform(10, 17))),
        light=float(rng.uniform(-70, 70)),
        turned=float(rng.uniform(-40, 40)),
        sounds=bool(rng.random() > 0.05),
        seed=int(rng.integers(2**31)),
    )


# The plots: each takes a random generator and the split, and returns the players and their link.


def _alone(rng: np.random.Generator, split: Split) -> tuple[tuple[Player, ...], Link | None]:
    return (_solo(rng, _cast(rng, split, held=split == "held_out")),), None


def _together(rng: np.random.Generator, split: Split, count: int = 2) -> tuple[tuple[Player, ...], Link | None]:
    """Return several independent toys side by side, at depths at which none is in another's way."""
    depths = rng.permutation([-0.85, 0.6] if count == 2 else [-1.1, 0.3, 1.7])
    middles = rng.permutation(np.linspace(-1.05, 1.05, count) if count == 3 else [-0.8, 0.8])
    players = tuple(
        _solo(rng, _cast(rng, split, held=split == "held_out" and i == 0), middle, depth, 0.25)
        for i, (middle, depth) in enumerate(zip(middles, depths, strict=True))
    )
    return players, None


def _three(rng: np.random.Generator, split: Split) -> tuple[tuple[Player, ...], Link | None]:
    return _together(rng, split, 3)


def _placed(rng: np.random.Generator, split: Split) -> tuple[tuple[Player, ...], Link | None]:
    """Return a toy that stands or spins at a named position next to another toy, which stands."""
    link: Link = _choose(rng, ("left of", "right of", "behind", "in front of", "on"), (0.2,) * 5)
    motion: Motion = "stands" if rng.random() < 0.75 else "spins"
    first, _ = _cast(rng, split, (motion,), held=split == "held_out")
    second, _ = _cast(rng, split, ("stands",), shapes=("cube", "cylinder") if link == "on" else SHAPES)
    if link == "on":
        first, second = replace(first, size="small"), replace(second, size=_choose(rng, SIZES, (0.3, 0.7)))
    middle, depth, gap = rng.uniform(-0.5, 0.5), rng.uniform(-0.3, 0.4), rng.uniform(1.35, 1.8)
    x, y = {
        "left of": (-gap, rng.uniform(-0.25, 0.25)),
        "right of": (gap, rng.uniform(-0.25, 0.25)),
        "behind": (rng.uniform(-0.3, 0.3), gap),
        "in front of": (rng.uniform(-0.3, 0.3), -gap),
        "on": (0.0, 0.0),
    }[link]
    middle, depth = middle - x / 2, depth - y / 2
    on = 2 * second.half_height if link == "on" else 0.0
    speed = _speed_of_spin(rng) if motion == "spins" else 0.0
    one = Spins(first, (middle + x, depth + y), speed, on, _facing(rng))
    return (Player(first, motion, one), _still(rng, second, middle, depth)), link


def _collides(rng: np.random.Generator, split: Split) -> tuple[tuple[Player, ...], Link | None]:
    """Return a toy that rolls or slides into another one, which stands."""
    first, motion = _cast(rng, split, ("rolls", "slides"), held=split == "held_out")
    second, _ = _cast(rng, split, ("stands",))
    depth, side = rng.uniform(-0.4, 0.4), _side(rng)
    sign = 1 if side == "right" else -1
    start, target = -sign * rng.uniform(1.4, 1.7), sign * rng.uniform(-0.1, 0.2)
    friction = ROLLING if motion == "rolls" else SLIDING
    way = abs(target - start) - first.half_width - second.half_width
    speed = sign * np.sqrt(2 * friction * way + rng.uniform(1.0, 1.5) ** 2)
    one = Travels(first, (Course(start, float(speed), friction),), depth, motion == "rolls")
    runs, hit = collide(one, Spins(second, (target, depth)))
    return (Player(first, motion, runs, side), Player(second, "stands", hit)), "into"


def _falls_on(rng: np.random.Generator, split: Split) -> tuple[tuple[Player, ...], Link | None]:
    """Return a toy that falls on another one with a flat top."""
    first, _ = _cast(rng, split, ("drops",), held=split == "held_out")
    second, _ = _cast(rng, split, ("stands",), shapes=("cube", "cylinder"))
    first, second = replace(first, size="small"), replace(second, size=_choose(rng, SIZES, (0.3, 0.7)))
    x, depth, top = rng.uniform(-0.7, 0.7), rng.uniform(-0.4, 0.4), 2 * second.half_height
    falls = Falls(first, (x, depth, top + first.half_height + rng.uniform(0.7, 1.2)), floor=top, facing=_facing(rng))
    return (Player(first, "drops", falls), _still(rng, second, x, depth)), "falls on"


def _passes(rng: np.random.Generator, split: Split) -> tuple[tuple[Player, ...], Link | None]:
    """Return a toy that rolls or slides behind another one and comes out again."""
    first, motion = _cast(rng, split, ("rolls", "slides"), held=split == "held_out")
    second, _ = _cast(rng, split, ("stands",))
    second = replace(second, size="large")
    front = rng.uniform(-0.7, -0.4)
    act, side = _travel(rng, first, motion, rng.uniform(-0.1, 0.1), front + 1.25, rng.uniform(2.3, 2.7))
    return (Player(first, motion, act, side), _still(rng, second, rng.uniform(-0.2, 0.2), front)), "passes behind"


_PLOTS: dict[str, Callable[[np.random.Generator, Split], tuple[tuple[Player, ...], Link | None]]] = {
    "alone": _alone,
    "together": _together,
    "three": _three,
    "placed": _placed,
    "collides": _collides,
    "falls on": _falls_on,
    "passes": _passes,
}
_PLOT_NAMES = tuple(_PLOTS)
_PLOT_SHARES = (0.36, 0.24, 0.08, 0.11, 0.08, 0.06, 0.07)


def again(rng: np.random.Generator, toys: tuple[Toy, ...]) -> tuple[Player, ...]:
    """Return one or two toys side by side with random motions that training shows."""
    places = [(0.0, 0.0, 0.7)] if len(toys) == 1 else [(-0.8, 0.6, 0.25), (0.8, -0.85, 0.25)]
    players = []
    for toy, place in zip(toys, places, strict=True):
        motion: Motion = _any(rng, tuple(m for m in MOTIONS if _possible(toy, m) and not held_out(toy, m)))
        players.append(_solo(rng, (toy, motion), *place))
    return tuple(players)


def _solo(
    rng: np.random.Generator,
    cast: tuple[Toy, Motion],
    middle: float = 0.0,
    depth: float = 0.0,
    width: float = 0.7,
) -> Player:
    """Return a player at most `width` from `middle`, unless it travels."""
    (toy, motion), side = cast, None
    x, facing = middle + rng.uniform(-width, width), _facing(rng)
    y = depth + rng.uniform(-0.08, 0.08)
    if motion in ("rolls", "slides"):
        act, side = _travel(rng, toy, motion, middle * 0.35, y, rng.uniform(1.2, 2.1))
    elif motion == "flies":
        side = _side(rng)
        sign = 1 if side == "right" else -1
        begin = (middle * 0.3 - sign * rng.uniform(1.1, 1.4), y, toy.half_height + rng.uniform(0.1, 0.6))
        up = np.sqrt(2 * GRAVITY * max(rng.uniform(1.5, 1.9) - begin[2], 0.4))
        act = Falls(toy, begin, (sign * rng.uniform(0.7, 0.95), float(up)), facing=facing)
    elif motion in ("drops", "bounces"):
        height = toy.half_height + rng.uniform(1.0, 1.9 - 0.3 * (motion == "bounces"))
        act = Falls(toy, (x, y, height), restitution=0.92 if motion == "bounces" else None, facing=facing)
    elif motion == "swings":
        length = rng.uniform(1.5, 2.0 if toy.size == "small" else 1.8)
        widest = min(rng.uniform(0.35, 0.6), (1.4 - abs(x)) / length)
        phase = rng.uniform(0, 2 * np.pi)
        act = Swings(toy, (float(x), float(y), _PIVOT), float(length), float(widest), float(phase), facing)
    else:
        act = Spins(toy, (float(x), float(y)), _speed_of_spin(rng) if motion == "spins" else 0.0, facing=facing)
    return Player(toy, motion, act, side)


def _travel(
    rng: np.random.Generator,
    toy: Toy,
    motion: Motion,
    middle: float,
    depth: float,
    way: float,
) -> tuple[Travels, Side]:
    side = _side(rng)
    sign = 1 if side == "right" else -1
    friction = ROLLING if motion == "rolls" else SLIDING
    course = Course(float(middle - sign * way / 2), float(sign * np.sqrt(2 * friction * way)), friction)
    return Travels(toy, (course,), float(depth), motion == "rolls", _facing(rng)), side


def _still(rng: np.random.Generator, toy: Toy, x: float, depth: float) -> Player:
    return Player(toy, "stands", Spins(toy, (float(x), float(depth)), facing=_facing(rng)))


def _cast(
    rng: np.random.Generator,
    split: Split,
    motions: tuple[Motion, ...] = MOTIONS,
    shapes: tuple[Shape, ...] = SHAPES,
    *,
    held: bool = False,
) -> tuple[Toy, Motion]:
    """Return a random toy and motion; `held` asks for a combination that training never shows."""
    while True:
        motion: Motion = _any(rng, motions)
        patterns = PATTERNS if split == "held_out" else tuple(name for name in PATTERNS if name not in NEW_PATTERNS)
        toy = Toy(
            _any(rng, shapes),
            _any(rng, COLOURS),
            "rubber" if motion == "bounces" else _any(rng, MATERIALS),
            _any(rng, SIZES),
            "plain" if rng.random() < 0.65 else _any(rng, patterns[1:]),
        )
        if _possible(toy, motion) and held_out(toy, motion) == held:
            return toy, motion


def _possible(toy: Toy, motion: Motion) -> bool:
    """Return whether a toy can move so: round toys roll, toys with a flat base slide, rubber bounces."""
    if motion == "rolls":
        return toy.shape in ("ball", "cylinder")
    if motion == "slides":
        return toy.shape != "ball"
    if motion == "spins":  # plain round toys look the same at every angle
        return toy.shape == "cube" or toy.material == "wood" or toy.pattern != "plain"
    return motion != "bounces" or toy.material == "rubber"


def _speed_of_spin(rng: np.random.Generator) -> float:
    return float(rng.choice([-1, 1]) * rng.uniform(1.2, 2.6))


def _facing(rng: np.random.Generator) -> float:
    return float(rng.uniform(-0.6, 0.6))


def _side(rng: np.random.Generator) -> Side:
    return "left" if rng.random() < 0.5 else "right"


def _any(rng: np.random.Generator, values: tuple[T, ...]) -> T:
    return values[rng.integers(len(values))]


def _choose(rng: np.random.Generator, values: tuple[T, ...], shares: tuple[float, ...]) -> T:
    return values[rng.choice(len(values), p=np.array(shares) / sum(shares))]
