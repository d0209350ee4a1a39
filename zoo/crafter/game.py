"""The game Crafter (Hafner, arXiv 2109.06780): an engine that draws the next frame after a key.

In: a seed, and a key for each step. Out: frames uint8 [72, 72, 3] of 9 x 9 tiles of 8 x 8 pixels: seven rows of land
around the player, and two rows of the player's items. Needs the extra `worlds`.
It is always noon. By night Crafter adds random noise to every pixel, which codes cannot hold and nothing can predict.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from reelm.errors import RequestError
from reelm.extras import how_to_install

if TYPE_CHECKING:
    from crafter.objects import Player

TILE, VIEW, LAND = 8, 9, 7  # pixels of a tile; tiles along each side of the picture; rows of tiles that show land
SIZE = TILE * VIEW
FPS = 10.0
# The keys among Crafter's actions; without a key the player stands still.
KEYS = (
    *("left", "right", "up", "down", "do", "sleep", "place_stone", "place_table", "place_furnace", "place_plant"),
    *("make_wood_pickaxe", "make_stone_pickaxe", "make_iron_pickaxe"),
    *("make_wood_sword", "make_stone_sword", "make_iron_sword"),
)
_WAYS = ((-1, 0), (1, 0), (0, -1), (0, 1))
_BALANCE = 0.9  # daylight from which Crafter computes the number of zombies


class Crafter:
    """A land and its player, who starts in the middle with nothing. The same seed and keys give the same frames.

    Args:
        seed: of the land and of all random events.
    """

    def __init__(self, seed: int):
        try:
            import crafter
        except ImportError as error:
            raise RequestError(f"Crafter is not installed; get it by {how_to_install('worlds')}") from error
        self._env: Any = crafter.Env(size=(SIZE, SIZE), seed=seed)
        self._env._update_time = self._noon
        self._env._sem_view = lambda: None  # skip a map of all the land, which takes as long as a picture
        self._env._local_view._light = lambda canvas, daylight: canvas
        # Crafter keeps creatures in sets, whose order differs from run to run, and chooses one at random.
        balance = self._env._balance_chunk
        self._env._balance_chunk = lambda chunk, those: balance(chunk, sorted(those, key=lambda each: tuple(each.pos)))
        self._env.reset()

    def _noon(self) -> None:
        self._env._world.daylight = _BALANCE

    @property
    def frame(self) -> np.ndarray:
        """Return the picture, uint8 `[72, 72, 3]`."""
        return self._env.render()

    @property
    def player(self) -> "Player":
        """The player object of Crafter: `pos`, `facing`, `inventory`, `sleeping`."""
        return self._env._player

    def at(self, place: tuple[int, int]) -> tuple[str | None, Any]:
        """Return the material and the creature at a position `(x, y)` of the land; None for none."""
        return self._env._world[tuple(place)]

    @property
    def facing(self) -> tuple[int, int]:
        """The position in front of the player."""
        x, y = self.player.pos + np.array(self.player.facing)
        return int(x), int(y)

    def step(self, key: str | None) -> np.ndarray:
        """Press one of `KEYS`, or none, and return the next picture."""
        return self._env.step(0 if key is None else 1 + KEYS.index(key))[0]

    @property
    def alive(self) -> bool:
        """Whether the player is alive."""
        return self.player.health > 0

    def begin_again(self, rng: np.random.Generator) -> np.ndarray:
        """Begin another life in the same land, at a random place with random items; return the first picture."""
        world: Any = self._env._world
        player: Any = self.player
        for _ in range(100):
            place = tuple(rng.integers(4, 60, 2))
            if player.is_free(place):
                world.move(player, place)
                break
        for name in ("health", "food", "drink", "energy"):
            player.inventory[name] = int(rng.integers(4, 10))
        for name in ("sapling", "wood", "stone", "coal", "iron", "diamond"):
            player.inventory[name] = int(rng.integers(1, 10)) if rng.random() < 0.5 else 0
        for kind in ("pickaxe", "sword"):
            for of in ("wood", "stone", "iron")[: rng.integers(0, 4)]:
                player.inventory[f"{of}_{kind}"] = 1
        player.facing = _WAYS[rng.integers(4)]
        player.sleeping = False
        return self.frame

    def beside_player(self, name: str) -> np.ndarray:
        """Place a material, or "plant", to the right of the player, and return its tile, uint8 `[8, 8, 3]`."""
        world: Any = self._env._world
        x, y = (int(each) for each in self.player.pos)
        world[x + 1, y] = "grass" if name == "plant" else name
        if name == "plant":
            from crafter.objects import Plant

            world.add(Plant(world, (x + 1, y)))
        row, column = LAND // 2 * TILE, (VIEW // 2 + 1) * TILE
        return self.frame[row : row + TILE, column : column + TILE]
