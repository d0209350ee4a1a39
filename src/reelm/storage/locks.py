"""Locks that one process holds and that the system releases however the process ends."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from reelm.errors import RequestError


@contextmanager
def locked(path: Path, refusal: str) -> Iterator[None]:
    """Hold the lock file `path`; RequestError with the text `refusal` when another process holds it.

    The file itself stays afterwards, but without a lock it means nothing.
    """
    lock = filelock.FileLock(path, blocking=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise RequestError(refusal) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def in_turn(path: Path, says: str, seconds: float = 5.0) -> Iterator[None]:
    """Hold the lock file `path` once no other process holds it; after some seconds, say `says` on stderr."""
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=seconds)
    except filelock.Timeout:
        print(says, file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
