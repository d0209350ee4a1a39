"""Read the files of packages that the user fetched: archives of npm, PyPI and Debian.

In: the path of an archive. Out: its files by name. Nothing is installed, and no link is followed.
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
    """Yield (name, function that reads it) for each file in an archive; nothing if it is not an archive.

    Raises:
        RequestError: the archive differs from the published one of that name.
    """
    check_published(path)
    if path.suffix == ".deb":
        with tempfile.TemporaryDirectory() as folder:
            # Absolute, so that a name cannot be read as an option.
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
