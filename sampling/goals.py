"""The goals of a game that a model draws: what its pictures show to be reached.

In: a model. Out: who reads its pictures, if it was trained on a game that the zoo can read. Keys are never looked at.
"""

from collections.abc import Sequence
from typing import Protocol

from reelm.media.pixels import Frames
from reelm.registry import entries

from .folder.card import data_sets
from .model import Model


class Goals(Protocol):
    """Reads the pictures of one game, from its beginning on.

    Attributes:
        names: all goals that a picture can show, in the order in which one may reach them.
    """

    names: Sequence[str]

    @property
    def empty_handed(self) -> bool:
        """Whether the newest picture shows a player who holds nothing."""
        ...

    def look(self, frame: Frames, /) -> list[str]:
        """Look at the next frame, uint8 `[H, W, 3]`, and return the goals that it shows to be reached just now."""
        ...


def goals_of(model: Model) -> Goals | None:
    """Return a reader of the game that a model draws; None if its record names none that is known."""
    known = entries("GOALS")
    return next((known[name].load()() for name in data_sets(model.record) if name in known), None)
