"""Stop a run early at the next safe moment, in all its processes after the same step.

In: SIGTERM and SIGINT of any process of the run, and a time limit. Out: after each step, whether it was the last. This
module knows nothing of checkpoints.
"""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

import jax
import numpy as np
from jax.experimental import multihost_utils

_TIME = -1


class Stop:
    """Collects the requests to stop; every process calls `after` after every step."""

    def __init__(self, ends: float | None) -> None:
        self._ends = ends
        self._notified = 0  # signal sent to this process, with several processes
        self.asked = 0
        """The signal that stops the run, 0 if none was received."""

    def after(self, step: int) -> bool:
        """Return whether the run stops after this step."""
        late = self._ends is not None and time.monotonic() >= self._ends
        if jax.process_count() == 1:
            return late or bool(self.asked)
        if late and not self._notified and jax.process_index() == 0:
            self._tell(_TIME)
        # JAX handles SIGTERM itself, and finds a step that no process has made yet.
        if not multihost_utils.reached_preemption_sync_point(step):
            return False
        signals = np.ravel(multihost_utils.process_allgather(np.int32(self._notified)))
        if not (signals == _TIME).any():
            self.asked = signal.SIGINT if (signals == signal.SIGINT).any() else signal.SIGTERM
        return True

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal; a second Ctrl-C ends the process at once."""
        if number == signal.SIGINT and number in (self.asked, self._notified):
            raise KeyboardInterrupt
        if jax.process_count() == 1:
            self.asked = self.asked or number
        else:
            self._tell(number)

    def _tell(self, reason: int) -> None:
        self._notified = reason
        signal.raise_signal(signal.SIGTERM)


@contextlib.contextmanager
def caught(ends: float | None = None) -> Iterator[Stop]:
    """Yield a `Stop` that catches SIGTERM and SIGINT, and stops the run when `time.monotonic()` reaches `ends`.
    Outside the main thread, where Python allows no handlers, signals act as before.
    """
    stop = Stop(ends)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    # With several processes JAX handles SIGTERM, with a handler that Python does not see.
    numbers = (signal.SIGTERM, signal.SIGINT) if jax.process_count() == 1 else (signal.SIGINT,)
    former = {number: signal.signal(number, stop.receive) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
