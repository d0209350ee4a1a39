"""The process that reads one file of a stranger; `untrusted.py` starts it, `python -m` runs it.

In: a task, a line of JSON on stdin. Out: on stdout a line of JSON, {"values": [...]} or {"fault": why not}, and after
it the bytes of each array that is among the values as {"type", "shape"}. It ends when stdin does.
"""

import contextlib
import json
import os
import sys
import threading
from typing import IO, Any

import numpy as np
from PIL import Image

from reelm.errors import RequestError

from . import read
from .confined import confine

_NICE = 5


def main() -> None:
    # What libraries print must not be taken for an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    Image.init()  # imports the decoders of pictures, before files of this machine are out of reach
    if not (line := sys.stdin.readline()):
        return
    task = json.loads(line)
    with contextlib.suppress(OSError, AttributeError):
        os.nice(_NICE)  # the server goes first
    confine(readable=[task["path"]], seconds=task["seconds"], memory_bytes=task["memory_bytes"])
    threading.Thread(target=_await_end, daemon=True).start()
    try:
        _answer(answers, values=_values(task))
    except RequestError as error:
        _answer(answers, fault=str(error))
    except MemoryError:
        most = f"{task['memory_bytes'] / 2**20:.0f} MiB"
        _answer(answers, fault=f"{task['path']!r} takes more than {most} of memory to read; give a smaller one")
    except Exception as error:  # even a bug of ours: the file is to blame until it is mended
        _answer(answers, fault=f"{task['path']!r} cannot be read ({type(error).__name__}); give another file")


def _values(task: dict[str, Any]) -> list[Any]:
    path, arguments, budget = task["path"], task["arguments"], {"budget_bytes": task["answer_bytes"]}
    if task["what"] == "image":
        return [read.read_image(path, **arguments)]
    if task["what"] == "video":
        return [*read.read_video(path, **arguments, **budget)]
    if task["what"] == "sound":
        sound = read.read_sound(path, **arguments, **budget)
        return [sound.samples, sound.sample_rate]
    return [read.read_note(path)]


def _answer(answers: IO[bytes], **answer: Any) -> None:
    """Write an answer: arrays come after it, in the order in which it states them."""
    arrays = [value for value in answer.get("values", ()) if isinstance(value, np.ndarray)]
    answers.write(json.dumps(answer, default=_stated).encode() + b"\n")
    for array in arrays:
        answers.write(np.ascontiguousarray(array).data)
    answers.flush()


def _stated(array: np.ndarray) -> dict[str, Any]:
    return {"type": "pixels" if array.dtype == np.uint8 else "samples", "shape": array.shape}


def _await_end() -> None:
    sys.stdin.read()
    os._exit(1)  # nobody waits for the answer


if __name__ == "__main__":
    main()
