"""Ctrl-C and SIGTERM as exceptions that reach `main`.

Python raises a signal's exception wherever the program happens to be. In a callback of the garbage collector it is
printed and dropped; in an extension module that is being imported it is printed and becomes an ImportError. Both are
likely in the seconds in which JAX loads. So the exception is raised again until `main` has it, nothing is printed in
between, and what came is remembered, whatever exception arrives.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Long enough for what is being written to be cleaned up, short enough for whoever waits.
_SECONDS_TO_ARRIVE = 0.5

_ENDING = (signal.SIGINT, signal.SIGTERM)
_CAN_REPEAT = hasattr(signal, "setitimer")  # Windows cannot


class Interrupted(KeyboardInterrupt):
    """Ctrl-C. The class itself, once it has passed through `exec`, makes Python end by SIGINT in place of a status."""


class Terminated(BaseException):
    """SIGTERM. SystemExit, raised while an extension module initialises, would end the process then and there."""


@contextmanager
def signals_raised() -> Iterator[list[int]]:
    """Yields the list of the signals that came. SIGINT raises Interrupted, SIGTERM Terminated."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # Python allows handlers only there
        yield received
        return

    def receive(number: int, frame: FrameType | None) -> None:
        if number in _ENDING:
            received.append(number)
        if _CAN_REPEAT:
            signal.setitimer(signal.ITIMER_REAL, _SECONDS_TO_ARRIVE)
        if received[-1] == signal.SIGINT:
            raise Interrupted
        raise Terminated

    def quiet(hook):
        return lambda *details: None if received else hook(*details)

    numbers = (*_ENDING, signal.SIGALRM) if _CAN_REPEAT else _ENDING
    former = {number: signal.signal(number, receive) for number in numbers}
    hooks = sys.excepthook, sys.unraisablehook
    sys.excepthook, sys.unraisablehook = (quiet(hook) for hook in hooks)
    try:
        yield received
    finally:
        if _CAN_REPEAT:
            signal.setitimer(signal.ITIMER_REAL, 0)
        sys.excepthook, sys.unraisablehook = hooks
        for number, handler in former.items():
            signal.signal(number, handler)
