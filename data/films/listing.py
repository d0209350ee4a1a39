"""Find the files of a folder: all of them, links inside it followed, or one by a name that was written elsewhere.

In: a folder of this machine. Out: names relative to it, with "/" between their parts, as they are on the disk. Hidden
files are left out. Knows nothing of what the files hold.

Systems write the same letters in different ways: macOS stores "é" as two characters, tables mostly as one. Cameras
write suffixes in capitals. A name finds its file in spite of that.
"""

import os
import unicodedata
from collections import deque
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from reelm.errors import RequestError, reason

OUT = "it is a link that leads out of the folder; put the files themselves there"


class Listed(NamedTuple):
    """A file by its name, or something that cannot be read, with the `fault` that says why."""

    name: str
    fault: str = ""


def listed(folder: Path) -> Iterator[Listed]:
    """Yield the files of a folder and of its sub-folders; a folder behind several links is read once.

    RequestError if the folder itself cannot be listed.
    """
    folders, links = deque([""]), deque[str]()
    read: dict[tuple[int, int], str] = {}
    while folders or links:
        # Links come last, so that a folder in here is listed under its own name.
        linked = not folders
        name = links.popleft() if linked else folders.popleft()
        try:
            status = os.stat(folder / name)
            same = status.st_dev, status.st_ino
            if same in read:
                if linked:
                    yield Listed(name, f"it is a link to a folder that is read as {read[same] or '.'!r}")
                continue
            read[same] = name
            entries = sorted(os.scandir(folder / name), key=lambda entry: entry.name)
        except OSError as error:
            if not name:
                raise RequestError(f"{folder} cannot be listed: {reason(error)}") from error
            yield Listed(name, f"it cannot be listed: {reason(error)}")
            continue
        for entry in entries:
            inner = f"{name}/{entry.name}" if name else entry.name
            if entry.name.startswith("."):
                continue
            if entry.is_symlink() and os.path.exists(entry.path) and leads_out(folder, entry.path):
                yield Listed(inner, OUT)
            elif os.path.isdir(entry.path):
                (links if entry.is_symlink() else folders).append(inner)
            elif os.path.isfile(entry.path):
                yield Listed(inner)
            elif entry.is_symlink() and not os.path.exists(entry.path):
                yield Listed(inner, "it is a link to nothing")


def leads_out(folder: Path, path: str | Path) -> bool:
    """Return whether a path in a folder leads out of it by a link. Who made the folder could name any file of ours."""
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


class Names:
    """Finds names as they are on the disk; every folder is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, dict[str, list[str]]] = {}

    def find(self, name: str) -> str:
        """Return the name of the file that `name` means; `name` itself if there is none."""
        if os.path.lexists(self._folder / name):
            return name
        at = PurePosixPath()
        for part in PurePosixPath(name).parts:
            if not os.path.lexists(self._folder / at / part):
                part = next(iter(self._entries(self._folder / at).get(_key(part), ())), part)
            at /= part
        return str(at)

    def next_to(self, name: str, suffix: str) -> Path | None:
        """Return the file next to `name` that has the same stem and `suffix`, in small letters or in capitals."""
        path = self._folder / name
        found = self._entries(path.parent).get(_key(path.with_suffix(suffix).name), ())
        files = [path.with_name(each) for each in found if (path.with_name(each)).is_file()]
        if any(leads_out(self._folder, file) for file in files):
            raise RequestError(f"{path.name} has words beside it, but {OUT}")
        return min(files, key=lambda file: (file != path.with_suffix(suffix), file.name), default=None)

    def _entries(self, folder: Path) -> dict[str, list[str]]:
        if folder not in self._read:
            found: dict[str, list[str]] = {}
            try:
                for name in sorted(os.listdir(folder)):
                    found.setdefault(_key(name), []).append(name)
            except OSError:  # it is missing, or `listed` says why it cannot be read
                pass
            self._read[folder] = found
        return self._read[folder]


def _key(name: str) -> str:
    """Return a key that is the same for all names of one file."""
    stem, dot, suffix = name.rpartition(".")
    return unicodedata.normalize("NFC", stem + dot + suffix.casefold() if dot else name)
