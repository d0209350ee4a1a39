"""Files that appear whole or not at all, and survive a power cut once they are there.

`replacing` yields a temporary file in the folder of the wanted one and renames it at the end. `write_bytes` and
`write_json` do so for one value, `replacing_together` for several files of one folder. `check_writable` and
`check_folder` check before long work that a file or a folder can be written. All other rooms write through this file.
"""

import errno
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from reelm import value_checks
from reelm.errors import RequestError

from .exchange import exchange

TEMPORARY = ".reelm-"  # names of unfinished files begin with it

_UNFINISHED = re.compile(re.escape(TEMPORARY) + r"[0-9a-f]{8}(\.\w+)?")
_ABANDONED_SECONDS = 24 * 3600.0  # without a change, after which an unfinished file counts as left by a killed process

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}  # no fault of the request


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path to write to; when the block ends well, that file takes the place of `path`.

    An existing file is replaced whole. When the block raises (Ctrl-C included) the temporary file is removed and `path`
    is as it was. A link is followed: the file that it points to is replaced. File and folder are synced to disk.

    Raises:
        RequestError: see `check_writable`.
        OSError: whatever the block or the disk raises besides (disk full).
    """
    target = _target(path)
    _sweep(target.parent)
    temporary = _begun(path, target.parent, target.suffix)
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


@contextmanager
def replacing_together(folder: str | os.PathLike[str], last: str) -> Iterator[Path]:
    """Yield an empty folder to write files to; when the block ends well, all of them are in `folder`, at once.

    Until then `folder` is as it was: missing, or with its old files. When the block raises, all that it wrote is
    removed. Old files that the block does not write stay.

    A complete new folder takes the name of the old one. Some folders cannot change their names at once: those of
    systems other than Linux, a mount, the current folder, one that holds folders, one in a folder closed to writing.
    There the files change one after another. The file `last` marks the others as complete: the old one is removed
    before they change, the new one comes after them. A process that is killed in between leaves a folder without it.

    Raises:
        RequestError: see `check_folder`; or a folder has the name of a file to be written.
        OSError: whatever the block or the disk raises besides (disk full).
    """
    target = check_folder(folder)
    made = [each for each in target.parents if not each.exists()]
    for each in (target, target.parent):
        _sweep(each)
    staging = None
    try:
        staging = _staging(target)
        yield staging
        names = sorted((path.name for path in staging.iterdir()), key=lambda name: (name == last, name))
        for name in names:
            _sync(staging / name)
            if (target / name).is_dir():
                raise _refusal(target / name, "it is a folder; move it away or name another folder")
        if not _placed_at_once(staging, target):
            (target / last).unlink(missing_ok=True)
            for name in names:
                os.replace(staging / name, target / name)
        _sync(target)
        _sync(target.parent)
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
        for each in made:
            with suppress(OSError):  # it holds the new folder
                each.rmdir()


def _staging(target: Path) -> Path:
    """Return a new folder from which files can be moved to `target`: next to it, or else in it."""
    name = f"{TEMPORARY}{secrets.token_hex(4)}"
    inside, next_to_it = target / name, target.parent / name
    if not target.exists():
        next_to_it.mkdir(parents=True)
        return next_to_it
    inside.mkdir()
    with suppress(OSError):  # a mount, a folder closed to writing, a current folder that was removed
        if not Path.cwd().is_relative_to(target):  # otherwise this process would go on in the old folder
            return inside.rename(next_to_it)
    return inside


def _placed_at_once(staging: Path, target: Path) -> bool:
    """Add old files to the new folder, and give it the name of the old one; return whether that could be done."""
    _sync(staging)
    if not target.exists():
        with suppress(OSError):  # another process made it meanwhile
            staging.rename(target)
            return True
    try:
        _join(target, staging)
        exchange(staging, target)
    except (OSError, AttributeError):  # AttributeError: Windows has no chown
        return False
    for late in set(os.listdir(staging)) - set(os.listdir(target)):
        (staging / late).rename(target / late)
    return True


def _join(old: Path, new: Path) -> None:
    """Give the new folder owner and mode of the old one, and those of its files that it lacks; OSError for a folder."""
    for name in set(os.listdir(old)) - set(os.listdir(new)):
        if not (_UNFINISHED.fullmatch(name) and (old / name).is_dir()):  # left by a killed process
            os.link(old / name, new / name, follow_symlinks=False)
    about = old.stat()
    os.chown(new, about.st_uid, about.st_gid)
    new.chmod(about.st_mode & 0o7777)
    _sync(new)


@cache
def _sweep(folder: Path) -> None:
    """Remove unfinished files of killed processes from a folder; once in each process."""
    with suppress(OSError):
        for entry in os.scandir(folder):
            if _UNFINISHED.fullmatch(entry.name):
                with suppress(OSError):
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > _ABANDONED_SECONDS:
                        if entry.is_dir(follow_symlinks=False):
                            shutil.rmtree(entry.path)
                        else:
                            os.unlink(entry.path)


def _sync(path: Path) -> None:
    """Wait until a file or the names in a folder are on disk, if the system can tell."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:  # Windows cannot open a folder
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system without it
            raise
    finally:
        os.close(descriptor)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check that `replacing` will be able to write a file.

    Raises:
        RequestError: `path` is a folder, a device, a read-only file, not a legal name, or in a folder that is missing
            or closed to writing.
    """
    target = _target(path)
    _begun(path, target.parent, target.suffix).unlink()  # some folders, such as those of /proc, refuse only now


def _target(path: str | os.PathLike[str]) -> Path:
    """Return the file at `path`, links followed; RequestError as for `check_writable`."""
    path = value_checks.path("the file", path)
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


def _begun(path: str | os.PathLike[str], folder: Path, suffix: str) -> Path:
    """Return a new empty file in `folder`, which will become `path`; RequestError when none can be made."""
    # The name is short even if the wanted one is long. It has the suffix, because writers read the format from it.
    temporary = folder / f"{TEMPORARY}{secrets.token_hex(4)}{suffix}"
    try:
        temporary.open("xb").close()  # by open() and not mkstemp(), for the permissions that the user's umask gives
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise
        raise _refusal(path, f"{error.strerror}; give a path in a folder open to writing") from error
    return temporary


def check_folder(path: str | os.PathLike[str]) -> Path:
    """Return the folder at `path`, links followed, after a check that it exists or can be made, and be written to.

    Raises:
        RequestError: `path` is a file, not a legal name, or in a folder that is closed to writing.
    """
    path = value_checks.path("the folder", path)
    try:
        target = Path(os.path.realpath(path))
        existing = next(each for each in (target, *target.parents) if each.exists())
    except (OSError, ValueError) as error:
        raise _refusal(path, f"{getattr(error, 'strerror', None) or error}; give another name") from error
    if not existing.is_dir():
        raise _refusal(path, f"{str(existing)!r} is a file; give the name of a folder")
    _begun(path, existing, "").unlink()
    return target


def _refusal(path: str | os.PathLike[str], reason: str) -> RequestError:
    return RequestError(f"cannot write {os.fspath(path)!r}: {reason}")
