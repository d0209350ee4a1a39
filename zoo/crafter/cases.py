"""Record test cases of Crafter in lands that no model has seen, with the engine's response to a key in each.

In: the number of cases, and a seed. Out: `Case`s of one key, and `Start`s of many keys. Needs the extra `worlds`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import numpy as np

from .game import KEYS, LAND, VIEW, Crafter
from .judge import MIDDLE, TELLING, Case, in_view, shifted, tiles
from .players import purposeful_player

HISTORY = 6  # frames before the key
HORIZON = 20  # steps of the engine after a start
WAYS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
GOODS = {"tree": "wood", "stone": "stone", "water": "drink"}  # what the player gets from each material
BLOCKS = ("water", "tree", "stone", "table")

_FIRST_LAND = 2_000_000  # training has the lands from 0 on, the test split those from 1,000,000 on
_LANDS_OF_A_SEED = 1_000
_CASES_OF_A_LAND = 48  # of each class
_LIFE = 24  # steps of a life that searches for a case
_MOST = 9  # most items of a kind that the player can have

See = Callable[[np.ndarray], None]


@dataclass(frozen=True, eq=False)
class Start:
    """A state of the game from which many steps are played.

    Attributes:
        before: the T - 1 keys between the frames; None for no key.
        frames: uint8 `[T, 72, 72, 3]` of the engine.
        keys: the keys that follow; None for no key.
        after: uint8 `[len(keys), 72, 72, 3]`, the engine's frames after these keys.
    """

    before: list[str | None]
    frames: np.ndarray
    keys: list[str | None]
    after: np.ndarray


def played(count: int, starts: int, seed: int, see: See) -> tuple[list[Case], list[Start]]:
    """Play lands, and return cases and starts from them.

    Args:
        count: cases of each class: moves, blocked moves and actions, the last two in equal parts for each material.
            There may be fewer if many lands do not offer them.
        starts: number of starts.
        seed: of lands and players.
        see: called with every frame, and with frames of everything that a player can have.
    """
    rng, cases, begun = np.random.default_rng([seed, _FIRST_LAND]), list[Case](), list[Start]()
    wanted = {"moved": count}
    wanted |= {f"blocked by {each}": ceil(count / len(BLOCKS)) for each in BLOCKS}
    wanted |= {f"do {each}": ceil(count / len(GOODS)) for each in GOODS}
    lands = ceil(count / _CASES_OF_A_LAND)
    for land in range(2 * lands + 4):
        world = Crafter(_FIRST_LAND + _LANDS_OF_A_SEED * seed + land)
        if land == 0:
            see(inventories(world))
        share = min(1.0, (land + 1) / lands)
        missing = {kind: ceil(n * share) - sum(case.kind == kind for case in cases) for kind, n in wanted.items()}
        for _ in range(8 + 2 * sum(missing.values())):
            if max(missing.values()) <= 0:
                break
            for case in _life(world, rng, missing, see):
                cases.append(case)
        for _ in range(4 * starts):
            if len(begun) >= ceil(starts * share):
                break
            if (start := _start(world, rng, see)) is not None:
                begun.append(start)
        if len(begun) == starts and all(sum(case.kind == kind for case in cases) >= n for kind, n in wanted.items()):
            break
    return cases, begun


def inventories(world: Crafter) -> np.ndarray:
    """Return frames uint8 `[9, 72, 72, 3]` that together show each count of every item."""
    goods, frames = world.player.inventory, []
    before = dict(goods)
    for number in range(1, _MOST + 1):
        goods.update(dict.fromkeys(goods, number))
        frames.append(world.frame)
    goods.update(before)
    return np.stack(frames)


def _life(world: Crafter, rng: np.random.Generator, missing: dict[str, int], see: See) -> list[Case]:
    """Play a life that searches for the most missing kind of case; return its cases and reduce `missing`."""
    target, found = max(missing, key=lambda kind: missing[kind]), list[Case]()
    frames, pressed = [_begin(world, rng, target)], list[str | None]()
    see(frames[0])
    press = purposeful_player(rng)
    for _ in range(_LIFE):
        kind, key = None, None
        if len(frames) >= HISTORY and not world.player.sleeping:
            kind, key = _offered(world, rng, missing)
        if kind is None:
            key = _way_to(world, target) if len(frames) >= HISTORY - 1 else None
            key = key or press(world)
        before = _Before(world)
        frames.append(world.step(key))
        pressed.append(key)
        see(frames[-1])
        if not world.alive:
            break
        if kind is not None and key is not None:
            case = _case(world, before, kind, pressed[-HISTORY:], np.stack(frames[-HISTORY - 1 :]))
            if case is not None:
                found.append(case)
                missing[kind] -= 1
        if missing[target] <= 0:
            break
    return found


def _begin(world: Crafter, rng: np.random.Generator, target: str) -> np.ndarray:
    """Begin a life near a target, if it is found; return the first frame."""
    material = target.split()[-1]
    frame = world.begin_again(rng)
    for _ in range(10):
        (x, y), reach = world.player.pos, range(-2, 3)
        if material not in GOODS or any(world.at((x + dx, y + dy))[0] == material for dx in reach for dy in reach):
            break
        frame = world.begin_again(rng)
    return frame


def _offered(world: Crafter, rng: np.random.Generator, missing: dict[str, int]) -> tuple[str | None, str | None]:
    """Return a missing kind of case that is possible now, with its key; the most missing one first."""
    for kind in sorted((kind for kind in missing if missing[kind] > 0), key=lambda kind: -missing[kind]):
        material = kind.split()[-1]
        if kind.startswith("do"):
            if world.at(world.facing) == (material, None) and _pays(world, material):
                return kind, "do"
            continue
        wanted = ("grass", "sand", "path") if kind == "moved" else (material,)
        ways = [way for way in WAYS if (there := _beside(world, way))[0] in wanted and there[1] is None]
        if ways:
            return kind, str(rng.choice(ways))
    return None, None


def _pays(world: Crafter, material: str) -> bool:
    """Return whether the player gets something from a material."""
    goods = world.player.inventory
    return goods[GOODS[material]] < _MOST and (material != "stone" or goods["wood_pickaxe"] > 0)


def _way_to(world: Crafter, target: str) -> str | None:
    """Return the key that leads to a kind of case, if one key does."""
    material = target.split()[-1]
    if target == "blocked by table" and world.player.inventory["wood"] > 1:
        ground, creature = world.at(world.facing)
        return "place_table" if ground in ("grass", "sand", "path") and creature is None else None
    if not target.startswith("do"):
        return None
    return next((way for way in WAYS if _beside(world, way) == (material, None)), None)


def _beside(world: Crafter, way: str) -> tuple[str | None, object]:
    (x, y), (dx, dy) = world.player.pos, WAYS[way]
    return world.at((x + dx, y + dy))


class _Before:
    """The state of a world before a key, as far as a case needs it."""

    def __init__(self, world: Crafter):
        self.place = world.player.pos.copy()
        self.facing = int(world.player.facing[0]), int(world.player.facing[1])
        self.goods = dict(world.player.inventory)
        self.still = _without_creatures(world, self.place)


def _without_creatures(world: Crafter, around: np.ndarray) -> np.ndarray:
    """Return bool `[7, 9]`: tiles around a place without a creature. The player does not count as one."""
    (x, y), (row, column) = around, MIDDLE
    there = [[world.at((x + c - column, y + r - row))[1] for c in range(VIEW)] for r in range(LAND)]
    return np.array([[each is None or each is world.player for each in line] for line in there])


def _case(world: Crafter, before: _Before, kind: str, keys: list[str | None], frames: np.ndarray) -> Case | None:
    """Return the case of the last key that was pressed; None if chance affected the outcome."""
    player, key = world.player, keys[-1]
    assert key is not None
    x, y = (int(each) for each in player.pos - before.place)
    way = before.facing if key == "do" else WAYS[key]
    if (x, y) != (way if kind == "moved" else (0, 0)) or player.sleeping:
        return None
    after, here = _without_creatures(world, player.pos), _without_creatures(world, before.place)
    sure = in_view((x, y)) & after
    sure[MIDDLE] = False
    sure &= np.roll(before.still, (-y, -x), (0, 1))  # tiles that roll in from the other side are not in view
    front = MIDDLE[0] + way[1], MIDDLE[1] + way[0]
    stays = (tiles(frames[-1]) == tiles(shifted(frames[-2], (x, y))))[:LAND].all(-1)  # an arrow may break a table
    stays[front if key == "do" else (MIDDLE[0] - y, MIDDLE[1] - x)] = True  # the target; where the player stood
    case = Case(kind, key, way, keys[:-1], frames[:-1], frames[-1], sure & stays)
    if key == "do":
        good = GOODS[kind.split()[-1]]
        due = before.goods | {good: before.goods[good] + 1}
        return case if dict(player.inventory) == due and here[front] else None
    return case if case.telling.sum() >= TELLING else None


def _start(world: Crafter, rng: np.random.Generator, see: See) -> Start | None:
    """Return a start; None if the player died."""
    frames, keys, press = [world.begin_again(rng)], list[str | None](), purposeful_player(rng)
    while world.alive and len(frames) < HISTORY + HORIZON:
        keys.append(press(world))
        frames.append(world.step(keys[-1]))
        see(frames[-1])
    if not world.alive:
        return None
    first, then = keys[: HISTORY - 1], keys[HISTORY - 1 :]
    return Start(first, np.stack(frames[:HISTORY]), then, np.stack(frames[HISTORY:]))


def walk(rng: np.random.Generator, steps: int) -> list[str]:
    """Return the keys of a random walk, one to eight steps in each direction."""
    keys: list[str] = []
    while len(keys) < steps:
        keys += [str(rng.choice(list(WAYS)))] * int(rng.integers(1, 9))
    return keys[:steps]


def any_keys(rng: np.random.Generator, steps: int) -> list[str | None]:
    """Return random keys of all keys and no key."""
    return [(None, *KEYS)[at] for at in rng.integers(0, 1 + len(KEYS), steps)]
