"""Files out: whole or not at all, where they may be written."""

import os

import numpy as np
import pytest

from reelm.errors import RequestError
from reelm.media.formats.mp4 import write_video
from reelm.storage.atomic import replacing

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
        assert "\n" not in str(caught.value)
    assert os.path.exists("/dev/null") and os.listdir(tmp_path) == ["kept.mp4"]
