"""Situations of Crafter in lands that no model has seen, with what the engine makes of a key in each.

Comes in: how many, and a seed. Goes out: `Case`s of one key, and `Start`s that go on for many. Needs the extra
`worlds`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import numpy as np

from .game import KEYS, LAND, VIEW, Crafter
from .judge import MIDDLE, TELLING, Case, in_view, shifted, tiles
from .players import purposeful_player

HISTORY = 6  # frames before the key
HORIZON = 20  # steps that the engine goes on from a start
WAYS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
GOODS = {"tree": "wood", "stone": "stone", "water": "drink"}  # what each gives
BLOCKS = ("water", "tree", "stone", "table")

_FIRST_LAND = 2_000_000  # training has the lands from 0 on, the test split those from 1,000,000 on
_LANDS_OF_A_SEED = 1_000
_CASES_OF_A_LAND = 48  # of each class
_LIFE = 24  # steps in search of a case
_MOST = 9  # that the player can have of anything

See = Callable[[np.ndarray], None]


@dataclass(frozen=True, eq=False)
class Start:
    """A place to go on from.

    Attributes:
        before: the T - 1 keys that made the frames after the first, None for none.
        frames: uint8 `[T, 72, 72, 3]`, the engine's.
        keys: that follow, None for none.
        after: uint8 `[len(keys), 72, 72, 3]`, the engine's frames of these keys.
    """

    before: list[str | None]
    frames: np.ndarray
    keys: list[str | None]
    after: np.ndarray


def played(count: int, starts: int, seed: int, see: See) -> tuple[list[Case], list[Start]]:
    """Return cases and starts from lands that are played.

    Args:
        count: cases of each class: moves, blocked moves and what is done, the last two in equal parts for each
            material. Fewer only where many lands do not offer them.
        starts: how many.
        seed: of lands and players.
        see: is shown every frame, and frames with all that a player can have.
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
    """Return frames uint8 `[9, 72, 72, 3]` that show between them each number of everything a player can have."""
    goods, frames = world.player.inventory, []
    before = dict(goods)
    for number in range(1, _MOST + 1):
        goods.update(dict.fromkeys(goods, number))
        frames.append(world.frame)
    goods.update(before)
    return np.stack(frames)


def _life(world: Crafter, rng: np.random.Generator, missing: dict[str, int], see: See) -> list[Case]:
    """Return the cases of a life that looks for what is most missing; they are no longer missing."""
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
    """Begin a life near what is looked for, where that is found; return its first frame."""
    material = target.split()[-1]
    frame = world.begin_again(rng)
    for _ in range(10):
        (x, y), reach = world.player.pos, range(-2, 3)
        if material not in GOODS or any(world.at((x + dx, y + dy))[0] == material for dx in reach for dy in reach):
            break
        frame = world.begin_again(rng)
    return frame


def _offered(world: Crafter, rng: np.random.Generator, missing: dict[str, int]) -> tuple[str | None, str | None]:
    """Return a kind of case that is missing and can be had now, with its key; the most missing one first."""
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
    """Return whether the player gets something of a material."""
    goods = world.player.inventory
    return goods[GOODS[material]] < _MOST and (material != "stone" or goods["wood_pickaxe"] > 0)


def _way_to(world: Crafter, target: str) -> str | None:
    """Return the key that leads to a kind of case, where one key does."""
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
    """What is to be known of a world before a key."""

    def __init__(self, world: Crafter):
        self.place = world.player.pos.copy()
        self.facing = int(world.player.facing[0]), int(world.player.facing[1])
        self.goods = dict(world.player.inventory)
        self.still = _without_creatures(world, self.place)


def _without_creatures(world: Crafter, around: np.ndarray) -> np.ndarray:
    """Return bool `[7, 9]`: tiles of the land around a place without a creature. The player is none."""
    (x, y), (row, column) = around, MIDDLE
    there = [[world.at((x + c - column, y + r - row))[1] for c in range(VIEW)] for r in range(LAND)]
    return np.array([[each is None or each is world.player for each in line] for line in there])


def _case(world: Crafter, before: _Before, kind: str, keys: list[str | None], frames: np.ndarray) -> Case | None:
    """Return the case of the last of some keys that were pressed; None where chance had a hand in what matters."""
    player, key = world.player, keys[-1]
    assert key is not None
    x, y = (int(each) for each in player.pos - before.place)
    way = before.facing if key == "do" else WAYS[key]
    if (x, y) != (way if kind == "moved" else (0, 0)) or player.sleeping:
        return None
    after, here = _without_creatures(world, player.pos), _without_creatures(world, before.place)
    sure = in_view((x, y)) & after
    sure[MIDDLE] = False
    sure &= np.roll(before.still, (-y, -x), (0, 1))  # what comes in from the other side is not in view
    front = MIDDLE[0] + way[1], MIDDLE[1] + way[0]
    stays = (tiles(frames[-1]) == tiles(shifted(frames[-2], (x, y))))[:LAND].all(-1)  # an arrow may break a table
    stays[front if key == "do" else (MIDDLE[0] - y, MIDDLE[1] - x)] = True  # what is done; where the player stood
    case = Case(kind, key, way, keys[:-1], frames[:-1], frames[-1], sure & stays)
    if key == "do":
        good = GOODS[kind.split()[-1]]
        due = before.goods | {good: before.goods[good] + 1}
        return case if dict(player.inventory) == due and here[front] else None
    return case if case.telling.sum() >= TELLING else None


def _start(world: Crafter, rng: np.random.Generator, see: See) -> Start | None:
    """Return a start; None where the player did not live on."""
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
    """Return the keys of one who walks anywhere, one to eight steps each way."""
    keys: list[str] = []
    while len(keys) < steps:
        keys += [str(rng.choice(list(WAYS)))] * int(rng.integers(1, 9))
    return keys[:steps]


def any_keys(rng: np.random.Generator, steps: int) -> list[str | None]:
    """Return keys at random, of all that there are and none."""
    return [(None, *KEYS)[at] for at in rng.integers(0, 1 + len(KEYS), steps)]
