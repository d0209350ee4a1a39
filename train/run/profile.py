"""A profiler's trace of some steps of a run, for `tensorboard` or `xprof` to open.

Comes in: which steps, and when each begins and ends. Goes out: a folder of traces. Knows nothing of what a step does.
"""

from pathlib import Path
from typing import Any

import jax


class Profile:
    """Traces the steps `first` to `last` into a folder; nothing where no steps are named."""

    def __init__(self, steps: tuple[int, int] | None, folder: Path) -> None:
        self._steps, self._folder, self._on = steps, folder, False

    def before(self, step: int) -> None:
        """To be called before a step is dispatched. A run that resumes between the two steps traces what is left."""
        if self._steps is not None and not self._on and self._steps[0] <= step <= self._steps[1]:
            jax.profiler.start_trace(self._folder)
            self._on = True

    def after(self, step: int, results: Any) -> None:
        """To be called after a step is dispatched, with what it gives: the trace ends when the last one's is there."""
        if self._on and self._steps is not None and step >= self._steps[1]:
            jax.block_until_ready(results)
            self.close()

    def close(self) -> None:
        """Ends the trace, if it is on."""
        if self._on:
            self._on = False
            jax.profiler.stop_trace()
