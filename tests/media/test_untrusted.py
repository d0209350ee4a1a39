"""Files of strangers are read as any others are, in a process that can read and do nothing else."""

import io
import json
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
from made.media import moving, tone
from PIL import Image

from reelm.errors import RequestError
from reelm.media.clip import Clip
from reelm.media.read import read_image, read_note, read_sound, read_video
from reelm.media.untrusted import Readers, ReadingLimits, UntrustedFile, _received


@pytest.fixture(scope="module")
def readers():
    readers = Readers(ReadingLimits(seconds=120))
    yield readers
    readers.close()


def untrusted(readers, path) -> UntrustedFile:
    return readers.files({"it": str(path)})["it"]


def test_a_file_is_read_as_any_other(tmp_path, readers):
    path, still = tmp_path / "a.mp4", tmp_path / "a.png"
    Clip(video=moving(9), fps=8, audio=tone(9 / 8, 16_000), sample_rate=16_000, info={"seed": 3}).save(path)
    Image.fromarray(moving(1)[0]).save(still)
    seen, known = read_video(untrusted(readers, path), fps=8, size=(32, 48)), read_video(path, fps=8, size=(32, 48))
    assert np.array_equal(seen.video, known.video) and seen.fps == known.fps
    assert np.array_equal(seen.audio, known.audio) and seen.sample_rate == known.sample_rate
    heard, there = read_sound(untrusted(readers, path)), read_sound(path)
    assert np.array_equal(heard.samples, there.samples) and heard.sample_rate == there.sample_rate
    assert read_note(untrusted(readers, path)) == read_note(path) and read_note(untrusted(readers, still)) is None
    assert np.array_equal(read_image(untrusted(readers, still)), read_image(still))
    silent = read_video(untrusted(readers, still))
    assert silent.video.shape == (1, 64, 64, 3) and silent.audio is None and silent.sample_rate is None


def test_a_fault_is_told_as_it_is_told_of_any_other_file(tmp_path, readers):
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    with pytest.raises(RequestError) as known:
        read_image(path)
    with pytest.raises(RequestError) as told:
        read_image(untrusted(readers, path))
    assert str(told.value) == str(known.value)


def test_files_of_a_request_share_its_seconds(tmp_path):
    path = tmp_path / "a.mp4"
    Clip(video=moving(200), fps=8).save(path)
    readers = Readers(ReadingLimits(seconds=0.05))
    with pytest.raises(RequestError, match="more than 0.05 seconds to read"):
        read_video(untrusted(readers, path))
    readers.close()
    readers = Readers(ReadingLimits(seconds=30))
    file = untrusted(readers, path)
    file._patience.seconds = 0.0  # the others have used it up
    with pytest.raises(RequestError, match="more than 30 seconds to read"):
        read_video(file)
    readers.close()


def test_memory_is_bounded_by_the_process_and_by_its_answer(tmp_path):
    path = tmp_path / "a.png"
    Image.new("1", (1500, 1500)).save(path)
    assert path.stat().st_size < 2_000
    readers = Readers(ReadingLimits(answer_bytes=2**20, seconds=120))
    with pytest.raises(RequestError, match="did not answer"):
        read_image(untrusted(readers, path))
    with pytest.raises(RequestError, match="over the budget"):
        read_video(untrusted(readers, path))
    assert read_image(untrusted(readers, path), size=(8, 8)).shape == (8, 8, 3)
    readers.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the memory of a process")
def test_a_process_that_wants_more_memory_says_so(tmp_path):
    path = tmp_path / "a.png"
    Image.new("1", (7000, 7000)).save(path)
    readers = Readers(ReadingLimits(memory_bytes=300 << 20, seconds=120))
    with pytest.raises(RequestError, match="more than 300 MiB of memory"):
        read_image(untrusted(readers, path), size=(8, 8))
    readers.close()


def test_reading_ends_when_the_readers_close(tmp_path, monkeypatch):
    path, told = tmp_path / "a.mp4", []
    Clip(video=moving(2000), fps=8).save(path)
    readers = Readers(ReadingLimits())

    def read() -> None:
        try:
            read_video(untrusted(readers, path))
        except RequestError as error:
            told.append(str(error))

    thread = threading.Thread(target=read)
    thread.start()
    while not readers._running:
        pass
    (process,) = readers._running
    readers.close()
    thread.join(10)
    assert told and process.poll() is not None
    with pytest.raises(RequestError, match="the server ends"):
        read_video(untrusted(readers, path))


HOSTILE = {
    "no JSON": b"\xff\xfe\n",
    "no object": b"[1]\n",
    "deep": b"[" * 100_000 + b"\n",
    "no list": b'{"values": {}}\n',
    "not a number": b'{"values": [NaN]}\n',
    "a list": b'{"values": [[1]]}\n',
    "other type": b'{"values": [{"type": "object", "shape": [1]}]}\n12345678',
    "negative": b'{"values": [{"type": "pixels", "shape": [-1]}]}\n',
    "too large": b'{"values": [{"type": "pixels", "shape": [1000, 1000, 1000]}]}\n',
    "many axes": b'{"values": [{"type": "pixels", "shape": [1, 1, 1, 1, 1]}]}\n1',
    "true": b'{"values": [{"type": "pixels", "shape": [true]}]}\n1',
    "infinite": b'{"values": [{"type": "samples", "shape": [1]}]}\n\x00\x00\x80\x7f',
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
def test_an_answer_of_another_form_is_refused(answer):
    with pytest.raises(RequestError, match="did not answer as it should"):
        _received(io.BytesIO(answer), 2**20)


def test_values_of_another_kind_are_refused(tmp_path, monkeypatch, readers):
    path = tmp_path / "a"
    path.write_bytes(b"x")
    pixels, samples = np.zeros((2, 4, 4, 3), np.uint8), np.zeros((9, 1), np.float32)
    for answers in ([], ["text"], [pixels[0], 1], [samples], [np.zeros((0, 4, 3), np.uint8)], [pixels[0, :, :, :2]]):
        monkeypatch.setattr(readers, "read", lambda *_, answers=answers: answers)
        with pytest.raises(RequestError, match="did not answer"):
            read_image(untrusted(readers, path))
    for answers in (
        [pixels, 0, None, None],
        [pixels, 8, samples, None],
        [samples, 8, None, None],
        [pixels, "8", None, 1],
    ):
        monkeypatch.setattr(readers, "read", lambda *_, answers=answers: answers)
        with pytest.raises(RequestError, match="did not answer"):
            read_video(untrusted(readers, path))
    monkeypatch.setattr(readers, "read", lambda *_: [pixels[0]])
    with pytest.raises(RequestError, match="did not answer"):  # pixels of a size that was not asked for
        read_image(untrusted(readers, path), size=(5, 5))


# In the place of reading, tries what a process that was taken over would try, and answers with what came of it.
TAKEN_OVER = """
import os, socket, subprocess
from pathlib import Path
from reelm.media import untrusted_reader

def tries(task):
    here = Path(task["path"])
    def came_of(call):
        try:
            return call() and "done"
        except Exception as error:
            return type(error).__name__
    return [
        came_of(here.read_text),
        came_of((here.parent / "other").read_text),
        came_of(lambda: here.write_text("mine")),
        came_of(lambda: (here.parent / "new").write_text("mine")),
        came_of(lambda: (here.parent / "link").symlink_to(here) or 1),
        came_of(lambda: subprocess.run(["/bin/true"])),
        came_of(lambda: socket.socket(socket.AF_UNIX)),
        came_of(lambda: os.kill(os.getppid(), 0) or 1),
        os.environ.get("SECRET"),
    ]

untrusted_reader._values = tries
untrusted_reader.main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines a process")
def test_a_process_that_is_taken_over_can_do_nothing(tmp_path):
    (tmp_path / "it").write_text("its own")
    (tmp_path / "other").write_text("of another")
    task = {"path": str(tmp_path / "it"), "seconds": 20, "memory_bytes": 1 << 30}
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", TAKEN_OVER], **pipes) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(task) + "\n")
        process.stdin.flush()
        read, other, *rest = json.loads(process.stdout.readline())["values"]
    assert (read, other) == ("done", "PermissionError")
    assert "done" not in rest and sorted(each.name for each in tmp_path.iterdir()) == ["it", "other"]
