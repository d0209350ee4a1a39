"""Local copies of folders in a bucket: one to read from, or a mirror to work in.

In: a path as it is typed, `gs://bucket/films` or `films`. Out: a local path; a local path is returned as it is. Every
scheme of fsspec works. ArrayRecord, PyAV and file locks need real files, so whole folders are copied to
`$REELM_HOME/remote`. It knows only one thing about the files: an index is sent after the files that it lists.
"""

import contextlib
import hashlib
import json
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec

from reelm.errors import RequestError, reason
from reelm.extras import how_to_install

from .atomic import TEMPORARY, replacing, write_json
from .home import home
from .locks import in_turn
from .names import inside

# With two slashes as typed, or with one, as `pathlib` leaves it.
_URL = re.compile(r"([a-z][a-z0-9+]+):/{1,2}([^/].*)")
_EXTRAS = {"gs": "gcs", "gcs": "gcs", "s3": "s3"}
_UNFINISHED = (".lock", TEMPORARY, ".orbax-checkpoint-tmp")
_INDEXES = ("sha256.json", "index.json", "build.json")
# Facts that differ after a file changed; each kind of path has some of these.
_VERSION = (
    *("size", "ETag", "etag", "md5Hash", "generation", "mtime", "LastModified", "last_modified", "created", "CRC"),
    "date_time",
)


def is_remote(path: str | Path) -> bool:
    """Return whether `path` begins with a scheme, such as `gs://`."""
    return _URL.fullmatch(str(path)) is not None


def fetched(path: str | Path) -> Path:
    """Copy the files at `path` to this machine and return the copy; unchanged files are not read again.

    Processes of one machine share the copy: the first one makes it, the others wait for it.

    Raises:
        RequestError: the scheme is unknown, its package is not installed, nothing is there, or a file's name leads out
            of the folder.
        OSError: it cannot be reached.
    """
    if not is_remote(path):
        return Path(path)
    place = _Place(path)
    if not place.pull():
        raise RequestError(f"there is nothing at {place.url}")
    return place.folder


@contextlib.contextmanager
def mirrored(path: str | Path, seconds: float = 30.0) -> Iterator[Path]:
    """Yield a local copy of the folder at `path`; changes in the copy are sent there.

    New files are sent and removed files are removed every `seconds`, and once more at the end, even after an error.
    One process may work in it at a time. A local `path` is yielded as it is.

    Raises:
        RequestError: the scheme is unknown, or its package is not installed.
        OSError: the bucket cannot be reached, or the last changes could not be sent; then the local folder is kept,
            and the message names it.
    """
    if not is_remote(path):
        yield Path(path)
        return
    place = _Place(path)
    place.pull()
    done = threading.Event()

    def send() -> None:
        while not done.wait(seconds):
            try:
                place.push()
            except Exception as error:  # it is tried again; only the last failure ends in an error
                print(f"not sent to {place.url} yet: {reason(error)}", file=sys.stderr)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        yield place.folder
    finally:
        done.set()
        sender.join()
        try:
            place.push()
        except Exception as error:
            kept = place.set_aside()
            raise OSError(f"{kept} could not be sent to {place.url}: {reason(error)}") from error


class _Place:
    """A remote folder and its local copy."""

    def __init__(self, path: str | Path) -> None:
        match = _URL.fullmatch(str(path))
        assert match is not None
        self.url = f"{match[1]}://{match[2]}"
        try:
            self._files, self._root = fsspec.core.url_to_fs(self.url)
        except ImportError as error:
            extra = _EXTRAS.get(match[1])
            hint = how_to_install(extra) if extra else reason(error)
            raise RequestError(f"{match[1]}:// needs a package that is not installed: {hint}") from error
        except ValueError as error:
            raise RequestError(f"{match[1]}:// is not a known scheme; gs:// and s3:// are") from error
        self._root = self._root.rstrip("/")
        kept = home() / "remote" / hashlib.sha256(self.url.encode()).hexdigest()[:24]
        self.folder = inside(kept, self._root.rpartition("/")[2] or "root", self.url)
        self._known = kept / "known.json"
        self._sent: dict[str, tuple[int, int]] = {}

    def pull(self) -> bool:
        """Copy the remote files into the folder, one process at a time; return whether there are any."""
        self._known.parent.mkdir(parents=True, exist_ok=True)
        with in_turn(self._known.with_name("pull.lock"), f"waiting for another process that copies {self.url}"):
            return self._pull()

    def _pull(self) -> bool:
        self._files.invalidate_cache()
        there: dict[str, Any] = self._files.find(self._root, detail=True)
        try:
            known = json.loads(self._known.read_text())
        except (OSError, ValueError):
            known = {}
        names = {name: name[len(self._root) :].lstrip("/") for name in there}
        # All names are checked before the first file is written.
        targets = {name: inside(self.folder, short, self.url) for name, short in names.items() if short}
        versions = {}
        for name, about in there.items():
            target, short = targets.get(name, self.folder), names[name]
            versions[short] = json.dumps([str(about.get(key)) for key in _VERSION])
            if known.get(short) != versions[short] or not target.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                with replacing(target) as temporary:
                    self._files.get_file(name, str(temporary))
        for path in _files(self.folder):
            if path.relative_to(self.folder).as_posix() not in versions:
                path.unlink(missing_ok=True)
        self._sent = _state(self.folder)
        write_json(self._known, versions)
        return bool(there)

    def push(self) -> None:
        """Send the files of the folder to the remote folder, and remove there what the folder lacks."""
        now = _state(self.folder)
        # Readers trust the files that an index lists: so an index is sent last and removed first.
        for name in sorted(self._sent.keys() - now.keys(), key=lambda name: not name.endswith(_INDEXES)):
            with contextlib.suppress(FileNotFoundError):
                self._files.rm_file(f"{self._root}/{name}")
            del self._sent[name]
        for name in sorted(now, key=lambda name: (name.endswith(_INDEXES), name)):
            if self._sent.get(name) != now[name]:
                try:
                    self._files.put_file(str(self.folder / name), f"{self._root}/{name}")
                except FileNotFoundError:
                    continue  # removed since it was listed
                self._sent[name] = now[name]
        # The remote versions of the files that were sent are not known, so they are read again next time.
        self._known.unlink(missing_ok=True)

    def set_aside(self) -> Path:
        """Move the folder to a name that no `pull` overwrites, and return its path."""
        aside = self.folder.with_name(f"{self.folder.name}.unsent")
        shutil.rmtree(aside, ignore_errors=True)
        return self.folder.rename(aside)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _state(folder: Path) -> dict[str, tuple[int, int]]:
    """Return (size, time of change) of each finished file in the folder, by name."""
    found = {}
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        if not any(mark in name for mark in _UNFINISHED):
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                found[name] = (status.st_size, status.st_mtime_ns)
    return found
