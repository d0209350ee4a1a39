"""Confine a process that reads untrusted files, as far as the system allows, and run a module in it by `python -m`.

In: the one folder that the process may write in, and the name of a module. From then on the process cannot write, make
or remove a file anywhere else, start a program, reach a network, signal another process, or take more than `MEMORY`
bytes. Knows nothing of what the module does.

Files and programs are restricted by Landlock (Linux 5.13 and later), the network by an empty namespace. What a system
lacks is silently left out: macOS has only the limit of memory. SECURITY.md says so.
"""

import contextlib
import ctypes
import os
import resource
import runpy
import struct
import sys
from pathlib import Path

MEMORY = 8 << 30
"""Bytes of memory that a process may use: several pictures of the largest size that is decoded."""

# linux/landlock.h. A right that the kernel does not know yet is left out.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE = 1 << 0
_WRITE = 1 << 1 | sum(1 << bit for bit in range(4, 13))  # write, remove, make of every kind
_REFER, _TRUNCATE, _DEVICE = 1 << 13, 1 << 14, 1 << 15  # versions 2, 3, 5
_TCP, _ABSTRACT_SOCKETS_AND_SIGNALS = 0b11, 0b11  # versions 4, 6
_NO_NEW_PRIVILEGES = 38  # of prctl
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000  # of unshare


def confine(folder: Path) -> None:
    """Confine this process to `folder`; there is no way back. Call it before a library starts threads."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = MEMORY if most == resource.RLIM_INFINITY else min(MEMORY, most)
    with contextlib.suppress(OSError, ValueError):  # macOS can only limit the whole process
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        # Root needs no user namespace, in which it would lose its right to read files of others. Other users need one.
        if libc.unshare(_NEW_NETWORK):
            libc.unshare(_NEW_USER | _NEW_NETWORK)
        _landlock(libc, folder)


def _landlock(libc: ctypes.CDLL, folder: Path) -> None:
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    if version < 1:
        return
    beneath = _WRITE | (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
    files = _EXECUTE | beneath | (_DEVICE if version >= 5 else 0)
    scoped = _ABSTRACT_SOCKETS_AND_SIGNALS if version >= 6 else 0
    # Older kernels know only the first fields.
    rules = struct.pack("QQQ", files, _TCP, scoped)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = libc.syscall(_CREATE_RULESET, rules, ctypes.c_size_t(len(rules)), 0)
    inside = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", beneath, inside)
        if ruleset < 0 or libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0):
            return
        if not libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
            libc.syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(inside)
        if ruleset >= 0:
            os.close(ruleset)


if __name__ == "__main__":
    confine(Path(sys.argv[1]))
    runpy.run_module(sys.argv[2], run_name="__main__")
