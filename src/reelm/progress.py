"""The type of a function that is called as work gets done."""

from collections.abc import Callable

Progress = Callable[[int, int], object]  # called with (done, total); the unit is the caller's: clips, files, shards


def silent(done: int, total: int) -> None:
    """Do nothing: the `Progress` of a caller that wants none."""
