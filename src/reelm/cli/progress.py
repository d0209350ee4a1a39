"""Progress on stderr: a bar on a terminal, now and then a line elsewhere."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reelm.progress import Progress

_SECONDS = 10.0  # between two lines


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """Yield a `Progress` to call as things named `what` get done; the bar disappears at the end."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(what, console.print)
        return
    from rich import progress as rich_progress
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with rich_progress.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _lines(what: str, say: Callable[[str], object]) -> Progress:
    """Return a `Progress` that prints a line at the start, at the end, and every few seconds between."""
    printed = -math.inf

    def report(done: int, total: int) -> None:
        nonlocal printed
        if done in (0, total) or time.monotonic() - printed >= _SECONDS:
            printed = time.monotonic()
            say(f"{what}: {done} of {total}")

    return report
