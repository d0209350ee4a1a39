"""Read the files of packages that a user's own package tools have fetched: archives of npm, PyPI and Debian.

Comes in: the path of an archive. Goes out: its files by name. Nothing is installed, no link is followed. Knows nothing
of what the files hold.
"""

import io
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from reelm.storage.published import check_published


def members(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield (name, what reads it) of each file in an archive; nothing for any other file.

    Raises:
        RequestError: the archive is not what was published by its name.
    """
    check_published(path)
    if path.suffix == ".deb":
        with tempfile.TemporaryDirectory() as folder:
            # Absolute, so that no name is taken for an option.
            subprocess.run(["dpkg-deb", "-x", path.absolute(), folder], check=True)
            for file in sorted(Path(folder).rglob("*")):
                if file.is_file() and not file.is_symlink():
                    yield file.relative_to(folder).as_posix(), file.read_bytes
    elif path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield name, lambda name=name: archive.read(name)
    elif path.name.endswith((".tgz", ".tar.gz")):
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile():
                    yield member.name, lambda member=member: (archive.extractfile(member) or io.BytesIO()).read()
