"""Read from pictures of Crafter what the player holds, and which goals are reached.

In: the frames of a game, or of a model that draws it, one after another. Out: names of goals. Nothing else is known
here, neither keys nor the engine: a goal counts once the picture shows it. Each slot of the two lower rows has one item
and its amount, so a slot is one of ten known tiles.

Two goals of the game leave no mark in a picture, so they are not here: to defeat a zombie, and a skeleton. A cow and a
ripe plant both fill the stomach: that is the one goal "eat".
"""

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from .game import LAND, TILE
from .judge import LIKE, MIDDLE, tiles

VITAL = ("health", "food", "drink", "energy")
HELD = ("sapling", "wood", "stone", "coal", "iron", "diamond")
TOOLS = tuple(f"{of}_{kind}" for kind in ("pickaxe", "sword") for of in ("wood", "stone", "iron"))
ITEMS = (*VITAL, *HELD, *TOOLS)  # in the order of the slots
MOST = 9  # of an item
# What is placed: its item, and how the land shows it.
PLACED = {"stone": "stone", "table": "wood", "furnace": "stone", "plant": "sapling"}
GOALS = (
    *(f"collect_{name}" for name in ("wood", "sapling", "drink", "stone", "coal", "iron", "diamond")),
    *("eat", "wake_up", "place_table", "place_plant", "place_stone", "place_furnace"),
    *(f"make_{tool}" for tool in TOOLS),
)

_SHIPPED = Path(__file__).with_name("items.png")
# Who sleeps sees the land in shades of (v, v, v + 8), in all places the same. Stone is grey, too, but not blue.
_SLEEP, _NEAR = np.array([0.0, 8.0]), 2.0  # mean of green and of blue over red, and how near they must be
_ASLEEP = 3  # frames that are a sleep


class CrafterGoals:
    """The goals of one game of Crafter, as `reelm.sampling.goals.Goals` wants them."""

    names = GOALS

    def __init__(self) -> None:
        self._has: dict[str, int] | None = None  # amounts that two frames in a row showed
        self._new: dict[str, tuple[int, frozenset[str]]] = {}  # of the last frame alone, with what was placed
        self._beside: frozenset[tuple[str, int]] | None = None  # what stands beside the player, and where
        self._slept = 0

    @property
    def empty_handed(self) -> bool:
        """Whether the player holds neither goods nor tools."""
        return not any((self._has or {}).get(item) for item in (*HELD, *TOOLS))

    def look(self, frame: np.ndarray) -> list[str]:
        """Look at the next frame, uint8 `[72, 72, 3]`, and return the goals that it shows to be reached.

        An amount counts once two frames in a row show it. A goal is returned each time.
        """
        cut = tiles(frame).astype(np.float32)
        shown, beside = _amounts(cut), _beside(cut)
        placed = frozenset(name for name, _ in beside - (beside if self._beside is None else self._beside))
        self._beside = beside
        reached = self._woken(frame, rested=shown.get("energy") == MOST)
        if self._has is None:
            self._has = {item: shown.get(item, 0) for item in ITEMS}
            return reached
        new, self._new = self._new, {}
        rises = {}
        for item, amount in shown.items():
            if amount == self._has[item]:
                continue
            before, then = new.get(item, (None, placed))
            if before == amount:
                rises[item] = amount - self._has[item], then
                self._has[item] = amount
            else:
                self._new[item] = amount, placed
        return reached + [goal for goal in GOALS if goal in _reached(rises)]

    def _woken(self, frame: np.ndarray, *, rested: bool) -> list[str]:
        red, green, blue = frame[: LAND * TILE].astype(np.float32).reshape(-1, 3).T
        over = np.abs(np.stack([green - red, blue - red]) - _SLEEP[:, None])
        if over.mean() < _NEAR:
            self._slept += 1
            return []
        slept, self._slept = self._slept, 0
        return ["wake_up"] if slept >= _ASLEEP and rested else []  # not who was woken by a blow


def _reached(rises: dict[str, tuple[int, frozenset[str]]]) -> set[str]:
    """Return the goals behind changed amounts: of each item the change, and what was placed in the same frame."""
    reached = set[str]()
    for item, (by, placed) in rises.items():
        if by > 0 and item in TOOLS:
            reached.add(f"make_{item}")
        elif by > 0 and item in (*HELD, "drink"):
            reached.add(f"collect_{item}")
        elif by > 0 and item == "food":
            reached.add("eat")
        elif by < 0:
            reached |= {f"place_{name}" for name in placed if PLACED[name] == item}
    return reached


def _amounts(cut: np.ndarray) -> dict[str, int]:
    """Return the amounts of the items whose slots can be read, from the tiles `[9, 9, 192]` of a frame."""
    slots = cut[LAND:].reshape(-1, 1, cut.shape[-1])[: len(ITEMS)]
    far = np.square(slots - _textures()[0]).mean(-1)  # [16, 10]
    found = far.argmin(1)
    return {item: int(found[at]) for at, item in enumerate(ITEMS) if far[at, found[at]] <= LIKE}


def _beside(cut: np.ndarray) -> frozenset[tuple[str, int]]:
    """Return what of `PLACED` stands beside the player, each with its side."""
    row, column = MIDDLE
    four = cut[[row - 1, row + 1, row, row], [column, column, column - 1, column + 1]]
    like = np.square(four[:, None] - _textures()[1]).mean(-1) <= LIKE
    return frozenset((name, side) for at, name in enumerate(PLACED) for side in range(4) if like[side, at])


@cache
def _textures() -> tuple[np.ndarray, np.ndarray]:
    """Return the tiles float32 `[16, 10, 192]` of each amount of each item, and `[4, 192]` of what is placed."""
    with Image.open(_SHIPPED) as file:
        pixels = np.asarray(file.convert("RGB"), np.float32)
    rows, columns = pixels.shape[0] // TILE, pixels.shape[1] // TILE
    cut = pixels.reshape(rows, TILE, columns, TILE, 3).swapaxes(1, 2).reshape(rows, columns, -1)
    return cut[:, : MOST + 1], cut[: len(PLACED), MOST + 1]


def drawn_items() -> np.ndarray:
    """Return `items.png`, uint8 `[128, 88, 3]`, as the game draws it. Needs the extra `worlds`.

    A row has an item with its amounts, 0 to 9. In the last column stands what can be placed, one below the other.
    """
    from .game import Crafter

    world, sheet = Crafter(0), np.zeros((len(ITEMS), MOST + 2, TILE, TILE, 3), np.uint8)
    for amount in range(MOST + 1):
        world.player.inventory.update(dict.fromkeys(ITEMS, amount))
        sheet[:, amount] = tiles(world.frame)[LAND:].reshape(-1, TILE, TILE, 3)[: len(ITEMS)]
    for at, name in enumerate(PLACED):
        sheet[at, MOST + 1] = world.beside_player(name)
    return sheet.swapaxes(1, 2).reshape(len(ITEMS) * TILE, -1, 3)
