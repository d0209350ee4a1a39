"""The process that reads untrusted files for `reelm data build`, one after another; `python -m` runs it.

In: tasks on stdin, each a line of JSON. Out: on stdout a line of JSON for each task, with heartbeats between; the clips
in a file. It ends when stdin does, so it never outlives the process that started it. A crash costs only one file: see
`worker_pool.py`. `local` is the pool of such processes.
"""

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from array_record.python.array_record_module import ArrayRecordWriter

from reelm.cores import cores
from reelm.errors import RequestError, reason
from reelm.media import confined

from . import worker_pool
from .buckets import Buckets
from .cutting import CuttingConfig, clips_of
from .manifest import Source
from .worker_pool import ALIVE, Outcome, Pool

PART_OPTIONS = "group_size:1,uncompressed"  # the videos in it are compressed
_BEAT_SECONDS = 0.5


def task(path: Path, source: Source, config: CuttingConfig, part: Path) -> dict[str, Any]:
    """Return a task for the worker: write the clips of the file at `path` into the ArrayRecord file `part`."""
    return {"path": str(path), "source": asdict(source), "config": asdict(config), "part": str(part)}


def local(processes: int | None = None, stall_seconds: float = 60.0) -> Pool:
    """Return the pool of this machine: processes that are confined to the folder that they write in.

    Args:
        processes: files read at the same time. Default: one for each core that this process may use.
        stall_seconds: seconds without progress after which the pool gives up a file.
    """

    def run(tasks: Iterable[Any], folder: Path) -> Generator[Outcome]:
        # With -P, Python files next to the films are not imported in place of installed ones.
        command = (sys.executable, "-P", "-m", confined.__name__, str(folder), __name__)
        return worker_pool.run(tasks, command, workers=processes or cores(), stall_seconds=stall_seconds)

    return run


def work(asked: dict[str, Any], alive: Callable[[], None]) -> dict[str, Any]:
    """Do a task and return its answer.

    It is {"clips": [[frames, height, width, bytes], ...]}, {"fault": why the file cannot be used}, or {"stop": why no
    file can be processed}.
    """
    config = asked["config"]
    config = CuttingConfig(**config | {"buckets": Buckets(**config["buckets"])})
    last = time.monotonic()

    def beat() -> None:
        nonlocal last
        if time.monotonic() - last > _BEAT_SECONDS:
            last = time.monotonic()
            alive()

    made = []
    clips = clips_of(Path(asked["path"]), Source(**asked["source"]), config, beat)
    try:
        writer = ArrayRecordWriter(asked["part"], PART_OPTIONS)
        while True:
            try:
                clip = next(clips, None)
            except Exception as error:  # even a bug of ours: it must not cost other files, and it must be reported
                writer.close()
                return {"fault": reason(error) if isinstance(error, RequestError) else repr(error)}
            if clip is None:
                break
            record = clip.pack()
            writer.write(record)
            made.append([clip.frames, clip.height, clip.width, len(record)])
        writer.close()
    except Exception as error:
        return {"stop": f"{asked['part']} cannot be written: {reason(error)}"}
    return {"clips": made} if made else {"fault": "no shot in it is as long as the shortest clip"}


def main() -> None:
    # What libraries print must not be taken for an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    tasks: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(tasks,), daemon=True).start()

    def say(line: str) -> None:
        answers.write(line + "\n")

    say(ALIVE)
    while True:
        say(json.dumps(work(json.loads(tasks.get()), lambda: say(ALIVE))))


def _read(tasks: "queue.Queue[str]") -> None:
    for line in sys.stdin:
        tasks.put(line)
    os._exit(0)  # the process that gave the tasks has ended, so the main thread is not waited for


if __name__ == "__main__":
    main()
