"""A file that appears whole or not at all.

`replacing` hands out a temporary name in the folder of the wanted file and renames it into place at the end;
`check_writable` asks before long work whether it will be able to. Both know nothing of what is written.
"""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reelm.errors import RequestError

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}  # no fault of the request


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path to write to; when the block ends well, that file takes the place of `path`.

    An existing file is replaced whole. When the block raises (Ctrl-C included) the temporary file goes and `path` is
    as it was. A link is followed: the file that it points to is replaced.

    Raises:
        RequestError: see `check_writable`.
        OSError: whatever the block or the disk raises besides (disk full).
    """
    target = check_writable(path)
    # Short, whatever the length of the wanted name; the suffix stays, because writers read the format from it.
    temporary = target.parent / f".reelm-{secrets.token_hex(4)}{target.suffix}"
    try:
        temporary.open("xb").close()  # by open() and not mkstemp(), for the permissions that the user's umask gives
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise
        raise _refusal(path, f"{error.strerror}; give a path in a folder open to writing") from error
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # a full disk is noticed here at the latest, not after the rename
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: str | os.PathLike[str]) -> Path:
    """The file that `path` stands for, links followed, which `replacing` will be able to write.

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
