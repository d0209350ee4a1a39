"""Threads that do the work of many owners in turn, one piece of each at a time.

In: pieces of work, each of an owner. An owner who asks for much waits for himself: others come in between.
"""

from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

from reelm.programs.patient import let_others_first

_T = TypeVar("_T")


class Company:
    """Turns with short pieces of work, which share the time of the owners.

    While several owners have work, each has one piece under way in all of them. An owner who is alone has all threads.
    """

    def __init__(self) -> None:
        self.lock, self.busy, self.members = Lock(), Counter[str](), list[Turns]()

    def has_others(self, owner: str) -> bool:
        """Return whether another owner has work."""
        return any(each != owner for turns in self.members for each in (*turns.waiting, *self.busy))


class Turns:
    """Threads, and the work that waits. Any thread may use it. An owner has one piece under way.

    Args:
        name: of the threads.
        threads: pieces of work at once. The owner "", which is everybody on a server without keys, may have all.
        company: shares the time of its owners with these turns.
        patient: whether the threads let all others of the machine go first, where the system can do that (Linux). Their
            work must not hold the interpreter, or the others would wait for it.
    """

    def __init__(self, name: str, threads: int, *, company: Company | None = None, patient: bool = False):
        self._threads = ThreadPoolExecutor(threads, name, initializer=let_others_first if patient else None)
        self.waiting = dict[str, deque[Callable[[], None]]]()  # whose turn is next is first
        self._is_alone, self._company = company is None, company or Company()
        self._company.members.append(self)
        self._lock, self._busy = self._company.lock, self._company.busy
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
            self.waiting.setdefault(owner, deque()).append(work)
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
            if (owner := next(filter(self._may_begin, self.waiting), None)) is None:  # looks again when a piece ends
                return
            pieces = self.waiting.pop(owner)
            work = pieces.popleft()
            if pieces:
                self.waiting[owner] = pieces  # behind the others
            self._busy[owner] += 1
        try:
            work()
        finally:
            with self._lock:
                self._busy[owner] -= 1
                if not self._busy[owner]:
                    del self._busy[owner]
            for turns in self._company.members:
                turns._look()

    def _may_begin(self, owner: str) -> bool:
        """Return whether a piece of an owner may begin now."""
        if not owner or not self._busy.get(owner):
            return True
        return not self._is_alone and not self._company.has_others(owner)
