"""The executable cache: a folder of compiled programs, so that the next process neither traces nor compiles them.

The key of a program is everything that it was made of: source, versions, device, flags, static arguments, shapes. A
damaged file counts as missing. The files hold pickles and machine code, so only the user may be able to write there.
"""

import hashlib
import os
import pickle
import warnings
from collections.abc import Hashable
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax

from reelm.errors import RequestError
from reelm.storage.atomic import write_bytes
from reelm.storage.private import is_private, made_private

from .machine import surroundings
from .source import source_of

_MOST_BYTES = 1 << 29  # of a folder; the least recently used files are removed first
_DIGEST = hashlib.sha256().digest_size

_folder: Path | None = None


def keep(folder: str | os.PathLike[str] | None) -> None:
    """Use a folder as the executable cache of this process; it is made with mode 700. None uses no cache.

    A folder that cannot be made, or that others can write to, is not used, with a warning.
    """
    global _folder
    _folder = None
    if folder is None:
        return
    path = Path(folder).expanduser()
    if fault := made_private(path):
        warnings.warn(f"{path}: {fault}; programs are compiled again each time", stacklevel=2)
    else:
        _folder = path


if os.environ.get("REELM_PROGRAMS"):
    keep(os.environ["REELM_PROGRAMS"])


def place(module: str, name: str, key: Hashable) -> Path | None:
    """Return the cache's file of a program, from a function of a module and a `key`; None without a cache."""
    if _folder is None or jax.process_count() > 1:  # a program holds the number of its device, which differs then
        return None
    about = f"{source_of(module)}\n{surroundings()}\n{module}.{name}\n{key!r}".encode()
    return _folder / f"{name.rpartition('.')[2]}-{hashlib.sha256(about).hexdigest()[:40]}"


def read(path: Path) -> Any:
    """Return what `write` wrote; None if the file is missing or damaged."""
    if not is_private(path.parent):  # it may have changed since it was named
        return None
    try:
        data = path.read_bytes()
        os.utime(path)
    except OSError:
        return None
    digest, rest = data[:_DIGEST], data[_DIGEST:]
    return pickle.loads(rest) if hashlib.sha256(rest).digest() == digest else None


def write(path: Path, content: Any) -> None:
    """Write a value that can be pickled. If the folder becomes too large, remove the least recently used files."""
    data = pickle.dumps(content)
    with suppress(OSError, RequestError):  # a full disk only costs a compilation
        write_bytes(path, hashlib.sha256(data).digest() + data)
        _make_room(path.parent)


def _make_room(folder: Path) -> None:
    """Remove the least recently used files, until the folder is small enough."""
    about = [(path.stat(), path) for path in folder.iterdir()]
    total = 0
    for each, path in sorted(about, key=lambda each: each[0].st_mtime, reverse=True):
        total += each.st_size
        if total > _MOST_BYTES:
            path.unlink(missing_ok=True)
