"""The players that record Crafter: one presses random keys, one plays with a purpose, one runs into things.

All are needed. The random player shows the effect of each key anywhere, also where there is none, but it never gets
far. The second walks, gathers and builds, so that all of the world is seen. Both mostly walk on free ground. The third
shows what stops a player, and what happens to obstacles.
"""

import io
import subprocess
import sys
from collections.abc import Callable

import numpy as np

from reelm.data.recordings.recording import Recording

from .game import FPS, KEYS, Crafter

_WAYS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
_NEEDS = {"stone": "wood_pickaxe", "coal": "wood_pickaxe", "iron": "stone_pickaxe", "diamond": "iron_pickaxe"}
_COSTS = {
    "place_stone": {"stone": 1},
    "place_table": {"wood": 2},
    "place_furnace": {"stone": 4},
    "place_plant": {"sapling": 1},
    "make_wood_pickaxe": {"wood": 1},
    "make_stone_pickaxe": {"wood": 1, "stone": 1},
    "make_iron_pickaxe": {"wood": 1, "coal": 1, "iron": 1},
    "make_wood_sword": {"wood": 1},
    "make_stone_sword": {"wood": 1, "stone": 1},
    "make_iron_sword": {"wood": 1, "coal": 1, "iron": 1},
}

_LONGEST = 256  # frames of a life

# Function from a world to the next key, None for no key.
Player = Callable[[Crafter], str | None]


def random_player(rng: np.random.Generator) -> Player:
    """Return a player that presses random keys, most often those that walk."""

    def press(world: Crafter) -> str | None:
        if rng.random() < 0.6:
            return str(rng.choice(list(_WAYS)))
        key = (None, *KEYS)[rng.integers(len(KEYS) + 1)]
        return "do" if key == "sleep" and rng.random() < 0.8 else key

    return press


def purposeful_player(rng: np.random.Generator) -> Player:
    """Return a player that walks on, takes what it meets and builds what it can afford."""
    way = str(rng.choice(list(_WAYS)))

    def press(world: Crafter) -> str | None:
        nonlocal way
        chance = rng.random()
        if chance < 0.06:
            return None
        if chance < 0.12:
            return random_player(rng)(world)
        if chance < 0.8 and _worth(world):
            return "do"
        if chance < 0.7 and (threat := _beside(world)):
            return threat
        if chance > 0.9:
            goods = world.player.inventory
            paid = [key for key, costs in _COSTS.items() if all(goods[name] >= n for name, n in costs.items())]
            if paid:
                return str(rng.choice(paid))
        places = _around(world)
        if rng.random() < (0.1 if world.player.is_free(places[way]) else 0.7):
            way = str(rng.choice(list(_WAYS)))
        lava = world.at(places[way])[0] == "lava"
        return None if lava and rng.random() < 0.9 else way

    return press


def bumping_player(rng: np.random.Generator) -> Player:
    """Return a player that runs into things next to it, takes them, and walks on to the next."""
    strolls = purposeful_player(rng)

    def press(world: Crafter) -> str | None:
        chance = rng.random()
        if chance < 0.5 and (stops := _stops(world)):
            return str(rng.choice(stops))
        if chance < 0.8 and _worth(world):
            return "do"
        return strolls(world)

    return press


def _around(world: Crafter) -> dict[str, tuple[int, int]]:
    """Return the positions next to the player, by direction."""
    x, y = map(int, world.player.pos)
    return {way: (x + right, y + down) for way, (right, down) in _WAYS.items()}


def _stops(world: Crafter) -> list[str]:
    """Return the directions in which the player is blocked and does not die."""
    places = _around(world).items()
    return [way for way, place in places if not world.player.is_free(place) and world.at(place)[0] != "lava"]


def _worth(world: Crafter) -> bool:
    """Return whether the player can take, or hit, what is in front."""
    material, creature = world.at(world.facing)
    if creature is not None or material in ("tree", "water"):
        return True
    return material in _NEEDS and world.player.inventory[_NEEDS[material]] > 0


def _beside(world: Crafter) -> str | None:
    """Return the direction of a creature next to the player; None if there is none."""
    return next((way for way, place in _around(world).items() if world.at(place)[1] is not None), None)


_PLAYERS, _SHARES = (random_player, purposeful_player, bumping_player), (0.2, 0.4, 0.4)


def play(seed: int, steps: int) -> list[Recording]:
    """Play one land for `steps` steps, and return a recording for each life, of at most 256 frames.

    A fifth of the lives use the random player, two fifths each of the others.
    """
    rng = np.random.default_rng(seed)
    world, lives, left = Crafter(seed), list[Recording](), steps
    while left > 0:
        press = _PLAYERS[rng.choice(len(_PLAYERS), p=_SHARES)](rng)
        frames, keys = [world.begin_again(rng) if lives else world.frame], [np.zeros(len(KEYS), bool)]
        while world.alive and len(frames) < _LONGEST:
            key = press(world)
            frames.append(world.step(key))
            keys.append(np.array([key == each for each in KEYS]))
        left -= len(frames)
        lives.append(Recording(np.stack(frames), np.stack(keys), KEYS, FPS))
    return lives


def played_apart(seed: int, steps: int) -> list[Recording]:
    """Run `play` in a separate process, so that several lands are played at the same time."""
    command = [sys.executable, "-P", "-m", __name__, str(seed), str(steps)]
    with np.load(io.BytesIO(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)) as arrays:
        ends = np.cumsum(arrays["lengths"])[:-1]
        parts = zip(np.split(arrays["frames"], ends), np.split(arrays["keys"], ends), strict=True)
        return [Recording(frames, keys, KEYS, FPS) for frames, keys in parts]


def _write(lives: list[Recording]) -> None:
    """Write lives to standard output, one after another."""
    file = io.BytesIO()
    frames, keys = np.concatenate([life.frames for life in lives]), np.concatenate([life.keys for life in lives])
    np.savez(file, frames=frames, keys=keys, lengths=[len(life.frames) for life in lives])
    sys.stdout.buffer.write(file.getvalue())


if __name__ == "__main__":
    _write(play(*map(int, sys.argv[1:])))
