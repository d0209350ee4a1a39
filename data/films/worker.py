"""The process that reads untrusted files for `reelm data build`, one after another; `python -m` runs it.

Comes in: on stdin a task as a line of JSON. Goes out: on stdout a line of JSON for each task, and lines between that
say it is alive; in a file the clips. It ends when stdin does, so none outlives the process that started it. Whatever
happens to it costs one file: see `worker_pool.py`. `local` is the pool of such processes.
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

from . import confined, worker_pool
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
        stall_seconds: seconds without progress after which a file is given up.
    """

    def run(tasks: Iterable[Any], folder: Path) -> Generator[Outcome]:
        # With -P, Python files that lie beside the films are not imported in place of installed ones.
        command = (sys.executable, "-P", "-m", confined.__name__, str(folder), __name__)
        return worker_pool.run(tasks, command, workers=processes or cores(), stall_seconds=stall_seconds)

    return run


def work(asked: dict[str, Any], alive: Callable[[], None]) -> dict[str, Any]:
    """What came of it.

    {"clips": [[frames, height, width, bytes], ...]}, or {"fault": why the file is of no use}, or {"stop": why no file
    can be worked on}.
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
            except Exception as error:  # Also a fault of ours: on one file it must not cost the others, nor go unnamed.
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
    # What libraries print must not pass for an answer.
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
    os._exit(0)  # whoever gave the tasks is gone, whatever the main thread is in


if __name__ == "__main__":
    main()
