"""The folder of programs that are kept, so that the next process neither traces nor compiles them.

A program is named by all that it was made of: source, versions, device, flags, static arguments, shapes. A damaged file
reads as none. The files hold pickles and machine code, so none but the user may write there.
"""

import hashlib
import os
import pickle
import stat
import warnings
from collections.abc import Hashable
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax

from reelm.errors import RequestError
from reelm.storage.atomic import write_bytes

from .machine import surroundings
from .source import source_of

_MOST_BYTES = 1 << 29  # of a folder; what was used longest ago goes first
_DIGEST = hashlib.sha256().digest_size

_folder: Path | None = None


def keep(folder: str | os.PathLike[str] | None) -> None:
    """Find programs in a folder, and keep those of this process there; it is made with mode 700. None keeps none.

    A folder that cannot be made, or that others can write to, is not used, with a warning.
    """
    global _folder
    _folder = None
    if folder is None:
        return
    path = Path(folder).expanduser()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner, mode = path.stat().st_uid, path.stat().st_mode
    except OSError as error:
        warnings.warn(f"{path}: {error.strerror}; programs are compiled anew each time", stacklevel=2)
        return
    if os.name == "posix" and (owner != os.getuid() or mode & (stat.S_IWGRP | stat.S_IWOTH)):
        warnings.warn(f"{path}: others may write there; programs are compiled anew each time", stacklevel=2)
        return
    _folder = path


if os.environ.get("REELM_PROGRAMS"):
    keep(os.environ["REELM_PROGRAMS"])


def place(module: str, name: str, key: Hashable) -> Path | None:
    """Return where a program lies that is made for `key`, by a function of this name in a module; None for nowhere."""
    if _folder is None or jax.process_count() > 1:  # a program names its device, which has another number there
        return None
    about = f"{source_of(module)}\n{surroundings()}\n{module}.{name}\n{key!r}".encode()
    return _folder / f"{name.rpartition('.')[2]}-{hashlib.sha256(about).hexdigest()[:40]}"


def read(path: Path) -> Any:
    """Return what `write` wrote; None where there is nothing, or nothing whole."""
    try:
        data = path.read_bytes()
        os.utime(path)
    except OSError:
        return None
    digest, rest = data[:_DIGEST], data[_DIGEST:]
    return pickle.loads(rest) if hashlib.sha256(rest).digest() == digest else None


def write(path: Path, content: Any) -> None:
    """Keep what can be pickled, and drop what was used longest ago where the folder becomes too large."""
    data = pickle.dumps(content)
    with suppress(OSError, RequestError):  # a full disk costs a compilation, no more
        write_bytes(path, hashlib.sha256(data).digest() + data)
        _make_room(path.parent)


def _make_room(folder: Path) -> None:
    """Remove the files that were used longest ago, until the folder is small enough."""
    about = [(path.stat(), path) for path in folder.iterdir()]
    total = 0
    for each, path in sorted(about, key=lambda each: each[0].st_mtime, reverse=True):
        total += each.st_size
        if total > _MOST_BYTES:
            path.unlink(missing_ok=True)
