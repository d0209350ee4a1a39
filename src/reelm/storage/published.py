"""Verify third-party files by their digests.

In: a file that the user's own package tools fetched. Out: nothing, or an error. `published.sha256` has the digest of
each known file, as `sha256sum` writes them; a file with one of these names must have that digest. A Debian package of
another version has another name, and passes: apt has checked it against the signature of its archive.
"""

from functools import cache
from pathlib import Path

from reelm.errors import RequestError

from .digests import sha256_of


def check_published(path: Path) -> None:
    """Check the sha256 of a file whose name is in the table; RequestError when it differs."""
    known = digests().get(path.name)
    if known is None:
        return
    if sha256_of(path) != known:
        raise RequestError(f"{path} is damaged or another version: its sha256 is not {known}; fetch it again")


@cache
def digests() -> dict[str, str]:
    """Return the sha256 in hex of each published file, by its name."""
    lines = Path(__file__).with_name("published.sha256").read_text("ascii").splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
