"""Turn Ctrl-C, SIGTERM and a closed terminal (SIGHUP) into exceptions that reach `main`.

Python raises a signal's exception wherever the program happens to be. Two places are bad, and both are likely in the
seconds in which JAX loads. While an extension module initialises, the exception is renamed or crashes the process. So
during an import, when nothing is being written yet, the process ends at once. In a callback of the garbage collector
the exception is printed and dropped. So it is raised again until `main` gets it, and the printing is suppressed.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
if hasattr(signal, "SIGHUP"):  # Windows has none
    WORDS[signal.SIGHUP] = "the terminal was closed"

# Long enough to clean up unfinished files, short enough for the user to wait.
_SECONDS_TO_ARRIVE = 0.5
_CAN_REPEAT = hasattr(signal, "setitimer")  # Windows cannot


class Interrupted(KeyboardInterrupt):
    """Ctrl-C. A plain KeyboardInterrupt that passed through `exec` makes Python end by SIGINT, not by a status."""


class Terminated(BaseException):
    """SIGTERM or SIGHUP. SystemExit would end the process at once in places where other exceptions are dropped."""


@contextmanager
def signals_raised() -> Iterator[list[int]]:
    """Yield the list of the signals received. SIGINT raises Interrupted, the others Terminated."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # Python allows handlers only there
        yield received
        return

    def receive(number: int, frame: FrameType | None) -> None:
        if number in WORDS:
            received.append(number)
        number = received[-1]
        if _is_importing(frame):
            os.write(2, f"reelm: {WORDS[signal.Signals(number)]}\n".encode())
            os._exit(128 + number)
        if _CAN_REPEAT:
            signal.setitimer(signal.ITIMER_REAL, _SECONDS_TO_ARRIVE)
        raise Interrupted if number == signal.SIGINT else Terminated

    def quiet(hook):
        return lambda *details: None if received else hook(*details)

    numbers = (*WORDS, signal.SIGALRM) if _CAN_REPEAT else tuple(WORDS)
    # Under nohup a closed terminal ends nothing.
    hangup = getattr(signal, "SIGHUP", None)
    numbers = [each for each in numbers if each != hangup or signal.getsignal(each) is not signal.SIG_IGN]
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


def leave(status: int) -> NoReturn:
    """End the process that a signal stopped, without waiting for threads that compile.

    Python would wait half a minute for those. It would then unwind threads that are in native code, which takes that
    for an error and aborts the process.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or none
            stream.flush()
    if "multiprocessing" in sys.modules:
        for child in sys.modules["multiprocessing"].active_children():
            child.terminate()
    processes = sys.modules.get("reelm.train.run.processes")
    if processes is not None and processes.are_connected():  # the other processes must be told
        sys.exit(status)
    os._exit(status)


def _is_importing(frame: FrameType | None) -> bool:
    """Return whether an import is under way in this frame or in one that called it."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
