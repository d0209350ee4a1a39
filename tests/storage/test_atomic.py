"""Files out: whole or not at all, where they may be written."""

import os
import subprocess
import sys

import numpy as np
import pytest

from reelm.errors import RequestError
from reelm.media.formats.mp4 import write_video
from reelm.storage import atomic
from reelm.storage.atomic import check_folder, check_writable, replacing, replacing_together, write_bytes
from reelm.storage.exchange import exchange

PICTURE = np.zeros((64, 96, 3), np.uint8)


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("before")
    with pytest.raises(KeyboardInterrupt), replacing(target) as temporary:
        temporary.write_text("half")
        assert temporary.parent == tmp_path and temporary.suffix == ".txt"
        raise KeyboardInterrupt
    assert target.read_text() == "before" and os.listdir(tmp_path) == ["a.txt"]
    with replacing(target) as temporary:
        temporary.write_text("after")
        assert target.read_text() == "before"
    assert target.read_text() == "after" and os.listdir(tmp_path) == ["a.txt"]


def test_frames_that_stop_half_way_leave_nothing(tmp_path):
    def interrupted():
        yield PICTURE
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(tmp_path / "a.mp4", interrupted(), fps=8)
    with pytest.raises(RequestError, match="one size"):
        write_video(tmp_path / "a.mp4", [PICTURE, PICTURE[:32]], fps=8)
    with pytest.raises(RequestError, match="no frames"):
        write_video(tmp_path / "a.mp4", iter([]), fps=8)
    with pytest.raises(RequestError, match="uint8"):
        write_video(tmp_path / "a.mp4", PICTURE / 255, fps=8)
    assert os.listdir(tmp_path) == []


def test_a_link_is_followed_and_the_umask_kept(tmp_path):
    (tmp_path / "real.txt").write_text("before")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    with replacing(tmp_path / "link.txt") as temporary:
        temporary.write_text("after")
    assert (tmp_path / "link.txt").is_symlink() and (tmp_path / "real.txt").read_text() == "after"
    (tmp_path / "plain.txt").touch()
    assert (tmp_path / "real.txt").stat().st_mode == (tmp_path / "plain.txt").stat().st_mode


def test_paths_that_cannot_be_written_are_refused(tmp_path):
    (tmp_path / "kept.mp4").touch(mode=0o444)
    for path, words in {
        tmp_path: "folder",
        tmp_path / "missing" / "a.mp4": "does not exist",
        tmp_path / "kept.mp4": "read-only",
        "/dev/null": "not a regular file",
        "/proc/a.mp4": "cannot write",
        tmp_path / ("x" * 300 + ".mp4"): "another name",
        "a\0b.mp4": "another name",
    }.items():
        with pytest.raises(RequestError, match=words) as caught, replacing(path):
            pytest.fail("nothing may be written")
        with pytest.raises(RequestError, match=words):
            check_writable(path)
        assert "\n" not in str(caught.value)
    assert os.path.exists("/dev/null") and os.listdir(tmp_path) == ["kept.mp4"]


def texts(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_the_files_of_a_folder_are_replaced_together_or_not_at_all(tmp_path):
    folder = tmp_path / "a" / "b"
    for attempt in ("new", "old"):  # a folder that is missing goes again, one that is there stays as it was
        with pytest.raises(OSError, match="full"), replacing_together(folder, last="list") as staging:
            (staging / "one").write_text("half")
            assert attempt == "new" or (folder / "one").read_text() == "first"
            raise OSError("disk full")
        if attempt == "new":
            assert os.listdir(tmp_path) == []
            folder.mkdir(parents=True)
            for name in ("one", "list", "other"):
                (folder / name).write_text("first")
    assert texts(folder) == dict.fromkeys(("one", "list", "other"), "first")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("kept")
    (folder / "one").unlink()
    (folder / "one").symlink_to(elsewhere)
    with replacing_together(folder, last="list") as staging:
        for name in ("list", "one"):
            (staging / name).write_text("second")
    assert texts(folder) == {"one": "second", "list": "second", "other": "first"}
    assert elsewhere.read_text() == "kept" and not (folder / "one").is_symlink()


# Writes a folder again and again, each time in a process that is killed one system call later than the one before.
KILLED_AT_EVERY_CALL = """
import os, shutil, signal, sys
from pathlib import Path
from reelm.storage import atomic

CALLS = ("open", "ctypes.dlsym", *(f"os.{name}" for name in ("rename", "remove", "rmdir", "mkdir", "link", "chmod")))
folder, old = Path(sys.argv[1]), sys.argv[2:]
for calls in range(1000):
    if old:
        folder.mkdir(exist_ok=True)
        for name in old:
            (folder / name).write_text("old")
    child = os.fork()
    if not child:
        def count(event, arguments, left=[calls]):
            left[0] -= event in CALLS
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(count)
        with atomic.replacing_together(folder, last="list") as staging:
            for name in ("list", "one", "two"):
                (staging / name).write_text("new")
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    unfinished = [*folder.glob(f"{atomic.TEMPORARY}*")]
    there = {path.name: path.read_text() for path in {*folder.glob("*")} - {*unfinished}}
    new = dict.fromkeys(("list", "one", "two"), "new")
    assert there in (dict.fromkeys(old, "old"), dict.fromkeys(old, "old") | new), f"call {calls} leaves {there}"
    assert folder.exists() == bool(there)
    if status == 0:
        break
    shutil.rmtree(folder, ignore_errors=True)
assert there | new == there and calls > 10, (there, calls)
"""


@pytest.mark.parametrize("old", [(), ("list", "one", "other")])
def test_a_process_that_is_killed_at_any_call_leaves_the_old_folder_or_the_new_one(tmp_path, old):
    for name in "ab":
        (tmp_path / name).mkdir()
    try:
        exchange(tmp_path / "a", tmp_path / "b")
    except OSError as error:
        pytest.skip(f"folders cannot change their names here: {error}")
    subprocess.run([sys.executable, "-c", KILLED_AT_EVERY_CALL, str(tmp_path / "m"), *old], check=True)


def test_the_new_folder_is_as_the_old_one_was(tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    folder.chmod(0o2751)
    (folder / "link").symlink_to("nowhere")
    (tmp_path / "other").symlink_to(folder)
    with replacing_together(tmp_path / "other", last="list") as staging:
        (staging / "list").touch()
        (folder / "late").touch()
    assert sorted(os.listdir(folder)) == ["late", "link", "list"] and os.readlink(folder / "link") == "nowhere"
    assert folder.stat().st_mode & 0o7777 == 0o2751 and (tmp_path / "other").is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["m", "other"]


def test_the_current_folder_stays_the_one_that_it_is(tmp_path, monkeypatch):
    (tmp_path / "list").write_text("first")
    monkeypatch.chdir(tmp_path)
    before = tmp_path.stat().st_ino
    with replacing_together(".", last="list") as staging:
        (staging / "list").write_text("second")
    assert tmp_path.stat().st_ino == before and texts(tmp_path) == {"list": "second"}


@pytest.mark.parametrize("why", ["the system cannot", "it holds a folder"])
def test_where_files_change_one_by_one_the_one_that_vouches_is_never_beside_those_of_another(
    tmp_path, monkeypatch, why
):
    for name in ("one", "list"):
        (tmp_path / name).write_text("first")
    if why == "it holds a folder":
        (tmp_path / "folder").mkdir()
    else:
        monkeypatch.setattr(atomic, "exchange", unable)
    replace = os.replace

    def killed(source, target):
        assert not (tmp_path / "list").exists()
        replace(source, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt), replacing_together(tmp_path, last="list") as staging:
        for name in ("list", "one"):
            (staging / name).write_text("second")
    assert sorted({*os.listdir(tmp_path)} - {"folder"}) == ["one"]


def unable(*_):
    raise OSError("no exchange")


def test_folders_that_cannot_be_written_are_refused(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "m" / "list").mkdir(parents=True)
    for path, words in {
        tmp_path / "file": "is a file",
        tmp_path / "file" / "m": "is a file",
        "/proc/m": "cannot write",
        tmp_path / ("x" * 300): "another name",
        "a\0b": "another name",
    }.items():
        with pytest.raises(RequestError, match=words):
            check_folder(path)
    with (
        pytest.raises(RequestError, match="it is a folder"),
        replacing_together(tmp_path / "m", last="list") as staging,
    ):
        (staging / "list").touch()


def test_what_a_killed_process_left_goes_with_the_next_write(tmp_path):
    names = (".reelm-0123abcd.mp4", ".reelm-0123abce", ".reelm-mine.mp4", "a.mp4")
    for name in names:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / ".reelm-ffffffff").mkdir()
    os.utime(tmp_path / ".reelm-ffffffff", (0, 0))
    (tmp_path / ".reelm-00000000.mp4").touch()  # of a process that is at work
    write_bytes(tmp_path / "b.mp4", b"")
    assert sorted(os.listdir(tmp_path)) == [".reelm-00000000.mp4", ".reelm-mine.mp4", "a.mp4", "b.mp4"]
