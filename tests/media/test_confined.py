"""A confined process writes in its folder alone, starts nothing, reaches nobody, and takes bounded memory."""

import json
import os
import socket
import subprocess
import sys

import pytest

ALLOWED = {"write inside", "rename inside", "read outside", "thread"}

# Prints what each try comes to.
PROGRAM = """
import json, os, socket, subprocess, sys, threading
from pathlib import Path
from reelm.media import confined

folder, port = Path(sys.argv[1]), int(sys.argv[2])
confined.confine(writable=[folder / "inside"])

def came_of(call):
    try:
        call()
    except Exception as error:
        return type(error).__name__
    return "done"

tries = {
    "write inside": lambda: (folder / "inside" / "new").write_text("a"),
    "rename inside": lambda: (folder / "inside" / "new").rename(folder / "inside" / "newer"),
    "read outside": lambda: (folder / "there").read_text(),
    "write outside": lambda: (folder / "new").write_text("a"),
    "overwrite": lambda: (folder / "there").write_text("b"),
    "truncate": lambda: os.truncate(folder / "there", 0),
    "remove": lambda: (folder / "there").unlink(),
    "move out": lambda: (folder / "inside" / "newer").rename(folder / "newer"),
    "link": lambda: (folder / "inside" / "link").symlink_to(folder / "there"),
    "hard link": lambda: os.link(folder / "there", folder / "inside" / "second"),
    "pipe": lambda: os.mkfifo(folder / "inside" / "pipe"),
    "follow": lambda: (folder / "inside" / "way out").write_text("b"),
    "local socket": lambda: socket.socket(socket.AF_UNIX),
    "fork": lambda: os.fork() or os._exit(0),
    "signal": lambda: os.kill(os.getppid(), 0),
    "thread": lambda: threading.Thread(target=int).start(),
    "run": lambda: subprocess.run(["/bin/true"]),
    "connect": lambda: socket.create_connection(("127.0.0.1", port), timeout=5),
    "send": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"a", ("127.0.0.1", port)),
    "memory": lambda: bytearray(9 << 30),
}
print(json.dumps({name: came_of(call) for name, call in tries.items()}))
"""


def landlock() -> int:
    import ctypes

    if sys.platform != "linux":
        return 0
    return ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1)


@pytest.mark.skipif(landlock() < 3, reason="the kernel has no Landlock, or one that lets files be cut")
def test_what_a_confined_process_can_do(tmp_path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "there").write_text("a")
    (tmp_path / "inside" / "way out").symlink_to(tmp_path / "there")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        ran = subprocess.run(
            [sys.executable, "-c", PROGRAM, tmp_path, port], capture_output=True, text=True, timeout=120
        )
    assert ran.returncode == 0, ran.stderr
    came = json.loads(ran.stdout)
    assert {name for name, what in came.items() if what == "done"} == ALLOWED
    assert came["memory"] == "MemoryError"
    assert (tmp_path / "there").read_text() == "a" and sorted(os.listdir(tmp_path)) == ["inside", "there"]


READS = """
import sys
from pathlib import Path
from reelm.media import confined

folder = Path(sys.argv[1])
confined.confine(readable=[folder / "its own"])
import email.message  # code that is installed stays readable
print((folder / "its own").read_text())
(folder / "other").read_text()
"""


@pytest.mark.skipif(landlock() < 1, reason="the kernel has no Landlock")
def test_a_process_that_may_read_one_file_reads_no_other(tmp_path):
    (tmp_path / "its own").write_text("mine")
    (tmp_path / "other").write_text("secret")
    ran = subprocess.run([sys.executable, "-c", READS, tmp_path], capture_output=True, text=True, timeout=120)
    assert ran.stdout == "mine\n" and "PermissionError" in ran.stderr
