"""Exchange the names of two folders at once, if the system can do that.

In: two paths. Out: nothing, or an OSError. There is no state in between, even if the process is killed. Linux can do it
since 3.15, on most local file systems. Python has no function for it, so the C library is called.
"""

import ctypes
import errno
import os
from pathlib import Path

_FROM_HERE = -100  # AT_FDCWD: relative paths begin in the current folder
_EXCHANGE = 2  # RENAME_EXCHANGE


def exchange(one: Path, other: Path) -> None:
    """Give each of two folders the name of the other.

    Raises:
        OSError: this system or this file system cannot do it at once, one is missing or a mount, or access is denied.
    """
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError) as error:  # macOS, an old C library, Windows
        raise OSError(errno.ENOSYS, "this system cannot exchange names") from error
    if renameat2(_FROM_HERE, os.fsencode(one), _FROM_HERE, os.fsencode(other), ctypes.c_uint(_EXCHANGE)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one), None, str(other))
