"""Confine a process that reads untrusted files, as far as the system allows.

From then on the process cannot write, make or remove a file outside the folders that are named, follow a link out of
them, start a program or a process, open a socket, signal another process, or take more than its memory. Files that it
may read can be named, too. Knows nothing of what the process does.

Files are restricted by Landlock (Linux 5.13 and later), system calls by seccomp (Linux on x86-64 and arm64). What a
system lacks is silently left out: macOS has only the limits of time and of the size of files. SECURITY.md says so.

As a program, `python -m reelm.media.confined FOLDER MODULE` runs a module that may write in one folder.
"""

import contextlib
import ctypes
import errno
import os
import platform
import resource
import runpy
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

MEMORY = 8 << 30
"""Bytes of memory that a process may use: several pictures of the largest size that is decoded."""

# linux/landlock.h. A right that the kernel does not know yet is left out.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _READ = 1 << 0, 1 << 2 | 1 << 3
_WRITE = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8  # write, remove, make folders and regular files
_SPECIAL = 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12  # make devices, sockets, pipes and links
_REFER, _TRUNCATE, _DEVICE = 1 << 13, 1 << 14, 1 << 15  # versions 2, 3, 5
_TCP, _ABSTRACT_SOCKETS_AND_SIGNALS = 0b11, 0b11  # versions 4, 6
_ON_FILES = 1 << 1 | 1 << 2 | _TRUNCATE  # rights that a file can have, and not only a folder
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2  # of prctl

# Numbers of system calls: x86-64, arm64. io_uring could make sockets unseen.
_REFUSED = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "pidfd_send_signal": (424, 424),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "io_uring_setup": (425, 425),
}
_CLONE, _CLONE3, _THREAD = (56, 220), 435, 0x10000
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, AUDIT_ARCH


def confine(
    *,
    writable: Sequence[str | Path] = (),
    readable: Sequence[str | Path] | None = None,
    memory_bytes: int = MEMORY,
    seconds: float | None = None,
) -> None:
    """Confine this process; there is no way back. Call it while there is one thread, as others are not confined.

    Args:
        writable: folders to write in. They are readable, too.
        readable: files and folders to read, besides the code that is installed. None for all.
        memory_bytes: that the process may use.
        seconds: of a core that the process may use; None for any number.
    """
    _limit("RLIMIT_DATA", memory_bytes)
    _limit("RLIMIT_CORE", 0)
    if not writable:
        _limit("RLIMIT_FSIZE", 0)
    if seconds is not None:
        _limit("RLIMIT_CPU", int(seconds) + 1)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if not libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
            _landlock(libc, writable, readable)
            _seccomp(libc)


def _limit(name: str, most: int) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # macOS cannot limit the memory of a process
        kind = getattr(resource, name)
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def _landlock(libc: ctypes.CDLL, writable: Sequence[str | Path], readable: Sequence[str | Path] | None) -> None:
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    if version < 1:
        return
    change = _WRITE | (_TRUNCATE if version >= 3 else 0)
    handled = _EXECUTE | change | _SPECIAL | (_REFER if version >= 2 else 0) | (_DEVICE if version >= 5 else 0)
    rules = [(path, change | (0 if readable is None else _READ)) for path in writable]
    if readable is not None:
        handled |= _READ
        installed = [*sys.path, sys.prefix, sys.base_prefix, "/usr/lib", "/usr/local/lib", "/lib", "/lib64"]
        rules += [(path, _READ) for path in [*readable, *filter(None, installed)]]
    scoped = _ABSTRACT_SOCKETS_AND_SIGNALS if version >= 6 else 0
    # Older kernels know only the first fields.
    fields = struct.pack("QQQ", handled, _TCP, scoped)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = libc.syscall(_CREATE_RULESET, fields, ctypes.c_size_t(len(fields)), 0)
    if ruleset < 0:
        return
    for path, rights in rules:
        with contextlib.suppress(OSError):  # not there, so there is nothing to allow
            _allow(libc, ruleset, path, rights)
    libc.syscall(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: str | Path, rights: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rights &= -1 if os.path.isdir(path) else _ON_FILES
        libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
    finally:
        os.close(place)


def _seccomp(libc: ctypes.CDLL) -> None:
    """Refuse system calls by a filter in classic BPF: (code, jump if true, jump if false, value)."""
    if (machine := _MACHINES.get(platform.machine())) is None:
        return
    column, architecture = machine
    refused = [number for numbers in _REFUSED.values() if (number := numbers[column]) is not None]
    load, equal, at_least, has_bits, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, no, unknown = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
    program = [
        (load, 0, 0, 4),  # the architecture: calls of another one have other numbers
        (equal, 1, 0, architecture),
        (answer, 0, 0, no),
        (load, 0, 0, 0),  # the number of the call
        (at_least, 0, 1, 0x40000000),  # those of x32
        (answer, 0, 0, no),
        (equal, 0, 1, _CLONE3),  # its flags lie in memory, which a filter does not see: libc then takes `clone`
        (answer, 0, 0, unknown),
        (equal, 0, 4, _CLONE[column]),
        (load, 0, 0, 16),
        (has_bits, 0, 1, _THREAD),
        (answer, 0, 0, allow),
        (answer, 0, 0, no),
    ]
    for number in refused:
        program += [(equal, 0, 1, number), (answer, 0, 0, no)]
    program.append((answer, 0, 0, allow))
    code = b"".join(struct.pack("=HBBI", *each) for each in program)
    held = ctypes.create_string_buffer(code, len(code))
    libc.prctl(_SECCOMP, _FILTER, struct.pack("@HP", len(program), ctypes.addressof(held)), 0, 0)


if __name__ == "__main__":
    confine(writable=[sys.argv[1]])
    runpy.run_module(sys.argv[2], run_name="__main__")
