"""Conversions of clips to other formats and sizes: each is made once, and the keys take turns."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from .turns import Turns

_THREADS = 2


class Conversions:
    """Makes files. Only the event loop uses it."""

    def __init__(self) -> None:
        self._turns, self._under_way = Turns("conversions", _THREADS, patient=True), dict[Path, Future[None]]()

    async def make(self, owner: str, path: Path, convert: Callable[[], None]) -> None:
        """Make the file at `path` by `convert`, or wait for another request that does."""
        if (made := self._under_way.get(path)) is None:
            made = self._under_way[path] = self._turns.do(owner, convert)
        try:
            await asyncio.shield(asyncio.wrap_future(made))
        finally:
            if made.done():
                self._under_way.pop(path, None)

    def close(self) -> None:
        """Begin nothing more."""
        self._turns.close()
