"""Read files of strangers, each in a process of its own that may read that file and write nothing.

In: the path of a file. Out: an `UntrustedFile`, which `read.py` reads as it reads any other, from the answer of the
process. Type, shape and size of an answer are checked here, so that even a process that the file has taken over can
only choose pixels, samples and text. It ends after one file: nothing of a stranger meets the file of another.
"""

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock, Timer
from typing import IO, Any

import numpy as np

from reelm.errors import RequestError

from .pixels import Frames, Size
from .sound import Sound

_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "LANG", "LC_ALL", "TMPDIR")
_HEAD_BYTES = 1 << 20  # of the line before the arrays
_TYPES = {"pixels": np.dtype(np.uint8), "samples": np.dtype(np.float32)}


@dataclass(frozen=True, kw_only=True)
class ReadingLimits:
    """Limits of what is read of strangers.

    Attributes:
        seconds: for all files of a request together.
        memory_bytes: that a process may use.
        answer_bytes: of the frames or the samples that a file becomes.
    """

    seconds: float = 20.0
    memory_bytes: int = 1 << 30
    answer_bytes: int = 3 * 64_000_000


class UntrustedFile(os.PathLike[str]):
    """A file that is read in a confined process. Its methods do what the functions of `read.py` with their names do.

    All raise RequestError with the reason of the process, or because it took too long or crashed.
    """

    def __init__(self, path: str, readers: "Readers", patience: "_Patience"):
        self._path, self._readers, self._patience = path, readers, patience

    def __fspath__(self) -> str:
        return self._path

    def __str__(self) -> str:
        return self._path

    def read_image(self, size: Size | None) -> Frames:
        """Return pixels [H,W,3]."""
        (image,) = self._read("image", 1, size=size)
        return _shaped(image, np.uint8, 3, size)

    def read_video(
        self, fps: float | None, size: Size | None, max_frames: int | None
    ) -> tuple[Frames, float, Sound | None, int | None]:
        """Return the fields of `Footage`."""
        video, rate, sound, sample_rate = self._read("video", 4, fps=fps, size=size, max_frames=max_frames)
        if sound is not None:
            sound, sample_rate = _shaped(sound, np.float32, 2), int(_positive(sample_rate))
        return _shaped(video, np.uint8, 4, size), _positive(rate), sound, sample_rate

    def read_sound(self, sample_rate: int | None, channels: int | None) -> tuple[Sound, int]:
        """Return the fields of `Recording`."""
        sound, rate = self._read("sound", 2, sample_rate=sample_rate, channels=channels)
        return _shaped(sound, np.float32, 2), int(_positive(rate))

    def read_note(self) -> str | None:
        """Return the comment in the metadata."""
        (note,) = self._read("note", 1)
        if note is not None and not isinstance(note, str):
            raise RequestError(_NO_ANSWER)
        return note

    def _read(self, what: str, count: int, **arguments: Any) -> list[Any]:
        values = self._readers.read(self._path, what, arguments, self._patience)
        if len(values) != count:
            raise RequestError(_NO_ANSWER)
        return values


class Readers:
    """Starts the processes, and kills those that take too long. Any thread may use it."""

    def __init__(self, limits: ReadingLimits):
        self._limits, self._lock = limits, Lock()
        self._next: subprocess.Popen[bytes] | None = None  # started in advance, as a start takes half a second
        self._running = set[subprocess.Popen[bytes]]()
        self._closed = False

    def files(self, paths: Mapping[str, str]) -> dict[str, UntrustedFile]:
        """Return the files of one request, which share its seconds."""
        patience = _Patience(self._limits.seconds)
        return {name: UntrustedFile(path, self, patience) for name, path in paths.items()}

    def read(self, path: str, what: str, arguments: Mapping[str, Any], patience: "_Patience") -> list[Any]:
        """Return the values that a process of its own answers: numbers, texts, None and arrays.

        Args:
            path: of the file.
            what: the function of `read.py`, without `read_`.
            arguments: of the function.
            patience: what is left of it is the most that reading may take.
        """
        process = self._taken()
        begun = time.monotonic()
        alarm = Timer(max(0.0, patience.seconds), process.kill)
        alarm.start()
        try:
            return self._answer(process, path, what, arguments)
        except _NoMore as error:
            if time.monotonic() - begun >= patience.seconds:
                why = f"takes more than {self._limits.seconds:g} seconds to read; give a shorter or a smaller one"
            else:
                why = "ended the process that read it; give an intact file"
            raise RequestError(f"{path!r} {why}") from error
        finally:
            alarm.cancel()
            patience.seconds -= time.monotonic() - begun
            with self._lock:
                self._running.discard(process)
            _end(process)

    def close(self) -> None:
        """End all processes. What is being read fails."""
        with self._lock:
            self._closed = True
            for process in self._running:
                process.kill()  # the thread that waits for its answer does the rest
            if self._next is not None:
                _end(self._next)

    def _taken(self) -> subprocess.Popen[bytes]:
        """Return a process for one file, and start the one for the next."""
        with self._lock:
            if self._closed:
                raise RequestError("the server ends, and reads no file any more")
            process = self._next or _started()
            self._running.add(process)
            self._next = _started()
        return process

    def _answer(
        self, process: subprocess.Popen[bytes], path: str, what: str, arguments: Mapping[str, Any]
    ) -> list[Any]:
        assert process.stdin is not None and process.stdout is not None
        limits = {name: getattr(self._limits, name) for name in ("seconds", "memory_bytes", "answer_bytes")}
        task = {"path": path, "what": what, "arguments": dict(arguments), **limits}
        try:
            process.stdin.write(json.dumps(task).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError as error:
            raise _NoMore from error
        return _received(process.stdout, self._limits.answer_bytes)


@dataclass
class _Patience:
    """Seconds that are left for the files of a request."""

    seconds: float


class _NoMore(Exception):
    """A process ended before its answer did."""


_NO_ANSWER = "the process that read the file did not answer as it should; give another file"


def _started() -> subprocess.Popen[bytes]:
    # The environment of a server holds secrets. Landlock confines one thread alone, so libraries may start no others.
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = (sys.executable, "-P", "-m", "reelm.media.untrusted_reader")
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()  # closes the pipes


def _received(pipe: IO[bytes], most: int) -> list[Any]:
    """Return the values of an answer, or raise the fault that it tells as RequestError."""
    head = pipe.readline(_HEAD_BYTES)
    if not head.endswith(b"\n"):
        raise _NoMore
    try:
        answer = json.loads(head)
    except (ValueError, RecursionError) as error:
        raise RequestError(_NO_ANSWER) from error
    match answer:
        case {"fault": str(fault)}:
            raise RequestError("".join(letter if letter.isprintable() else " " for letter in fault))
        case {"values": list(values)}:
            return [_array(value, pipe, most) if isinstance(value, dict) else _plain(value) for value in values]
    raise RequestError(_NO_ANSWER)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str) or (isinstance(value, int | float) and math.isfinite(value)):
        return value
    raise RequestError(_NO_ANSWER)


def _array(stated: dict[str, Any], pipe: IO[bytes], most: int) -> np.ndarray:
    """Return the array that comes next in the pipe."""
    kind, shape = _TYPES.get(str(stated.get("type"))), stated.get("shape")
    if kind is None or not isinstance(shape, list) or len(shape) > 4:
        raise RequestError(_NO_ANSWER)
    if not all(type(side) is int and 0 <= side <= most for side in shape):
        raise RequestError(_NO_ANSWER)
    if (size := math.prod(shape) * kind.itemsize) > most:
        raise RequestError(_NO_ANSWER)
    content = pipe.read(size)
    if len(content) < size:
        raise _NoMore
    array = np.frombuffer(content, kind).reshape(shape)
    if not np.isfinite(array).all():
        raise RequestError(_NO_ANSWER)
    return array


def _shaped(array: Any, kind: type, axes: int, size: Size | None = None) -> np.ndarray:
    """Check an array: pixels of a size that was asked for, or samples of one or two channels."""
    ok = isinstance(array, np.ndarray) and array.dtype == kind and array.ndim == axes and array.size > 0
    last = (3,) if kind is np.uint8 else (1, 2)
    if not ok or array.shape[-1] not in last or (size is not None and array.shape[-3:-1] != tuple(size)):
        raise RequestError(_NO_ANSWER)
    return array


def _positive(number: Any) -> float:
    if not isinstance(number, int | float) or not 0 < number < 1e6:
        raise RequestError(_NO_ANSWER)
    return number
