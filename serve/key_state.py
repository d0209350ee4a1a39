"""The state of a player's keys between two latent frames. Any thread may use it."""

from collections.abc import Sequence
from threading import Lock


class KeyState:
    """The keys that are held, and those that were pressed since the last latent frame, even if released already.

    at_once: most keys of one latent frame.
    """

    def __init__(self, at_once: int):
        self._at_once, self._lock = at_once, Lock()
        self._held: list[str] = []
        self._new: list[str] = []  # in the order of the presses

    @property
    def waits(self) -> bool:
        """Whether a key that was pressed still waits for its latent frame."""
        return bool(self._new)

    def hold(self, keys: Sequence[str]) -> None:
        """Hold these keys from now on, and no others."""
        with self._lock:
            self._new += [key for key in dict.fromkeys(keys) if key not in (*self._held, *self._new)]
            self._held = list(keys)

    def take(self) -> list[str]:
        """Return the keys of the next latent frame: first those that were pressed, then those that are held."""
        with self._lock:
            taken = list(dict.fromkeys([*self._new, *self._held]))[: self._at_once]
            self._new = [key for key in self._new if key not in taken]
            return taken
