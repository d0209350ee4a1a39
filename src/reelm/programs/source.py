"""The source that a program is made of: the room of its function, and every room that this one imports.

In: the name of a module. Out: rooms, and a digest of their files. A room is a folder or a file of the package. Rooms
import each other by absolute names; imports inside functions count too. The classes of a program's static arguments
must be defined in these rooms, because changes elsewhere go unnoticed.
"""

import hashlib
import re
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_OWN = Path(__file__).parent.name  # compiles every program
_IMPORT = re.compile(rb"^\s*(?:from|import)\s+reelm(?:\.(\w+)|\s+import\s+\(?([\w\s,]+))", re.MULTILINE)


def source_of(module: str, package: Path = _PACKAGE) -> str:
    """Return a digest of all source that a program of a module may depend on."""
    found = hashlib.sha256()
    for room in rooms_behind(module, package):
        found.update(_read(package, room)[0])
    return found.hexdigest()


def rooms_behind(module: str, package: Path = _PACKAGE) -> list[str]:
    """Return the room of a module, this one, and all that they import, in order of their names."""
    base, _, rest = module.partition(".")
    left, found = {_OWN} | ({rest.partition(".")[0]} if base == "reelm" else set()), set()
    while left:
        room = left.pop()
        found.add(room)
        left |= _read(package, room)[1] - found
    return sorted(found)


@cache
def _read(package: Path, room: str) -> tuple[bytes, frozenset[str]]:
    """Return a digest of a room, and the rooms that it imports."""
    source, names = hashlib.sha256(), set()
    for path in _files(package, room):
        text = path.read_bytes()
        source.update(text)
        for inside, listed in _IMPORT.findall(text):
            names |= {inside} if inside else {*re.findall(rb"\w+", listed)}
    return source.digest(), frozenset(name.decode() for name in names if _files(package, name.decode()))


@cache
def _files(package: Path, room: str) -> list[Path]:
    return sorted((package / room).rglob("*.py")) or [*package.glob(f"{room}.py")]
