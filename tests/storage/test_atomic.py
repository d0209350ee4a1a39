"""Files out: whole or not at all, where they may be written."""

import os

import numpy as np
import pytest

from reelm.errors import RequestError
from reelm.media.formats.mp4 import write_video
from reelm.storage.atomic import check_folder, check_writable, replacing, replacing_together, write_bytes

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
    assert {path.name: path.read_text() for path in folder.iterdir()} == dict.fromkeys(
        ("one", "list", "other"), "first"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("kept")
    (folder / "one").unlink()
    (folder / "one").symlink_to(elsewhere)
    with replacing_together(folder, last="list") as staging:
        for name in ("list", "one"):
            (staging / name).write_text("second")
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "one": "second",
        "list": "second",
        "other": "first",
    }
    assert elsewhere.read_text() == "kept" and not (folder / "one").is_symlink()


def test_the_file_that_vouches_for_a_folder_is_never_beside_files_of_another(tmp_path, monkeypatch):
    for name in ("one", "list"):
        (tmp_path / name).write_text("first")
    replace = os.replace

    def killed(source, target):
        assert not (tmp_path / "list").exists()
        replace(source, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt), replacing_together(tmp_path, last="list") as staging:
        for name in ("list", "one"):
            (staging / name).write_text("second")
    assert os.listdir(tmp_path) == ["one"]


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
