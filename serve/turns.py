"""Threads that do the work of many owners in turn, one piece of each at a time.

In: pieces of work, each of an owner. An owner who asks for much waits for himself: others come in between.
"""

import contextlib
import os
import sys
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock, get_native_id
from typing import TypeVar

_T = TypeVar("_T")
_NICE = 10


class Turns:
    """Threads, and the work that waits. Any thread may use it.

    Args:
        name: of the threads.
        threads: pieces of work at once. The owner "", which is everybody on a server without keys, may have all.
        patient: whether the threads let all others of the machine go first, where the system can do that (Linux).
    """

    def __init__(self, name: str, threads: int, *, patient: bool = False):
        self._threads = ThreadPoolExecutor(threads, name, initializer=_let_others_first if patient else None)
        self._most, self._lock = threads, Lock()
        self._waiting = dict[str, deque[Callable[[], None]]]()  # whose turn is next is first
        self._busy = Counter[str]()
        self._closed = False

    def do(self, owner: str, function: Callable[[], _T]) -> Future[_T]:
        """Add a piece of work, and return its result."""
        future: Future[_T] = Future()

        def work() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function())
                except BaseException as error:
                    future.set_exception(error)

        self.add(owner, work)
        return future

    def add(self, owner: str, work: Callable[[], None]) -> None:
        """Add a piece of work."""
        with self._lock:
            self._waiting.setdefault(owner, deque()).append(work)
        self._look()

    def close(self, *, wait: bool = False) -> None:
        """Begin nothing more, and perhaps wait for what is under way."""
        with self._lock:
            self._closed = True
        self._threads.shutdown(wait=wait, cancel_futures=True)

    def _look(self) -> None:
        """Let a thread look for work."""
        with self._lock:
            if not self._closed:
                self._threads.submit(self._turn)

    def _turn(self) -> None:
        """Do a piece of the first owner who may have one."""
        with self._lock:
            free = (owner for owner in self._waiting if self._busy[owner] < (1 if owner else self._most))
            if (owner := next(free, None)) is None:  # each thread looks again when its work ends
                return
            pieces = self._waiting.pop(owner)
            work = pieces.popleft()
            if pieces:
                self._waiting[owner] = pieces  # behind the others
            self._busy[owner] += 1
        try:
            work()
        finally:
            with self._lock:
                self._busy[owner] -= 1
                self._busy += Counter()  # forgets owners of whom nothing is under way
            self._look()


def _let_others_first() -> None:
    if sys.platform == "linux":  # where each thread has a priority of its own
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, get_native_id(), _NICE)
