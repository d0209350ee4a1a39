"""A request to stop, heard at the next safe moment instead of at once.

In: SIGTERM and SIGINT of this process. Out: a list that says which came. Knows nothing of what there is to save.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def caught() -> Iterator[list[int]]:
    """Yields a list to which SIGTERM and SIGINT add their number, in place of ending the process.

    A second Ctrl-C raises KeyboardInterrupt where it strikes: that person does not want to wait. Outside the main
    thread, where Python allows no handlers, the list stays empty.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def receive(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and number in received:
            raise KeyboardInterrupt
        received.append(number)

    former = {number: signal.signal(number, receive) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
