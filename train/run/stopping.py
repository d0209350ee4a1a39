"""Why a run should stop early, heard at the next safe moment and by all its processes after the same step.

In: SIGTERM and SIGINT of any process of the run, and a limit of time. Out: after each step, whether it was the last.
Knows nothing of what there is to save.
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
    """Asks to stop, collected; `after` is called by every process after every step."""

    def __init__(self, ends: float | None) -> None:
        self._ends = ends
        self._notified = 0  # to this process, of several
        self.asked = 0
        """The signal that stops the run, 0 while none has come."""

    def after(self, step: int) -> bool:
        """Whether the run stops after this step."""
        late = self._ends is not None and time.monotonic() >= self._ends
        if jax.process_count() == 1:
            return late or bool(self.asked)
        if late and not self._notified and jax.process_index() == 0:
            self._tell(_TIME)
        # JAX hears SIGTERM itself, and finds the step that no process has made yet.
        if not multihost_utils.reached_preemption_sync_point(step):
            return False
        signals = np.ravel(multihost_utils.process_allgather(np.int32(self._notified)))
        if not (signals == _TIME).any():
            self.asked = signal.SIGINT if (signals == signal.SIGINT).any() else signal.SIGTERM
        return True

    def receive(self, number: int, frame: FrameType | None) -> None:
        """The handler of signals; a second Ctrl-C is from someone who does not want to wait."""
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
    """Yields what hears SIGTERM and SIGINT in place of their ending the process; `time.monotonic()` is a reason too
    from `ends` on.

    Outside the main thread, where Python allows no handlers, signals do as before.
    """
    stop = Stop(ends)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    # With several processes SIGTERM is JAX's: it put its handler where Python does not see it.
    numbers = (signal.SIGTERM, signal.SIGINT) if jax.process_count() == 1 else (signal.SIGINT,)
    former = {number: signal.signal(number, stop.receive) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
