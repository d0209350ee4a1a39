"""Files that appear whole or not at all, and survive a power cut once they are there.

`replacing` hands out a temporary name in the folder of the wanted file and renames it into place at the end;
`write_bytes` and `write_json` are it for one value. `check_writable` asks before long work whether a file can be
written. All other rooms write through this file.
"""

import errno
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reelm.errors import RequestError

TEMPORARY = ".reelm-"  # what the names of unfinished files begin with; a killed process leaves them behind

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}  # no fault of the request


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path to write to; when the block ends well, that file takes the place of `path`.

    An existing file is replaced whole. When the block raises (Ctrl-C included) the temporary file goes and `path` is
    as it was. A link is followed: the file that it points to is replaced. File and folder are synced to disk.

    Raises:
        RequestError: see `check_writable`.
        OSError: whatever the block or the disk raises besides (disk full).
    """
    target = check_writable(path)
    # Short, whatever the length of the wanted name; the suffix stays, because writers read the format from it.
    temporary = target.parent / f"{TEMPORARY}{secrets.token_hex(4)}{target.suffix}"
    try:
        temporary.open("xb").close()  # by open() and not mkstemp(), for the permissions that the user's umask gives
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise
        raise _refusal(path, f"{error.strerror}; give a path in a folder open to writing") from error
    try:
        yield temporary
        _sync(temporary)  # a full disk is noticed here at the latest, not after the rename
        os.replace(temporary, target)
        _sync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file of `data`; see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: str | os.PathLike[str], value: object, *, indent: int = 2) -> None:
    """Write a file of `value` as JSON in ASCII, with a newline at its end; see `replacing`."""
    write_bytes(path, json.dumps(value, indent=indent).encode() + b"\n")


def _sync(path: Path) -> None:
    """Wait until a file or the names in a folder are on disk, where the system can say so."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:  # Windows opens no folder
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system without it
            raise
    finally:
        os.close(descriptor)


def check_writable(path: str | os.PathLike[str]) -> Path:
    """Return the file that `path` stands for, links followed, which `replacing` will be able to write.

    Raises:
        RequestError: `path` is a folder, a device, a file marked read-only, no legal name, or in a folder that is
            missing or closed to writing.
    """
    try:
        target = Path(os.path.realpath(path))
        exists, is_folder, is_file = target.exists(), target.is_dir(), target.is_file()
        has_folder = target.parent.is_dir()
    except (OSError, ValueError) as error:  # a name too long, a NUL in it
        reason = getattr(error, "strerror", None) or str(error)
        raise _refusal(path, f"{reason}; give another name") from error
    if is_folder:
        raise _refusal(path, "it is a folder; give the name of a file")
    if not has_folder:
        raise _refusal(path, f"the folder {str(target.parent)!r} does not exist; make it first")
    if exists and not is_file:  # renaming over /dev/null would remove the device
        raise _refusal(path, "it is not a regular file; give the name of a file")
    if exists and not (os.access(target, os.W_OK) and target.stat().st_mode & 0o222):  # root has access to all
        raise _refusal(path, "the file is read-only; give another name or make it writable")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise _refusal(path, f"the folder {str(target.parent)!r} is read-only; give one open to writing")
    return target


def _refusal(path: str | os.PathLike[str], reason: str) -> RequestError:
    return RequestError(f"cannot write {os.fspath(path)!r}: {reason}")
