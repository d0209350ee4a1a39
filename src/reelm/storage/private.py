"""Folders that hold machine code: only their user may be able to write there."""

import os
import stat
from pathlib import Path


def made_private(folder: Path) -> str:
    """Make a folder with mode 700 if it is missing; return why it cannot hold machine code, "" if it can."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        return error.strerror or "it cannot be made"
    return "" if is_private(folder) else "others may write there"


def is_private(folder: Path) -> bool:
    """Return whether a folder, at the end of all links, is the user's own and nobody else may write there."""
    if os.name != "posix":
        return True
    try:
        status = folder.stat()
    except OSError:
        return False
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
