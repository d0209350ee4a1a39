"""Run tasks that may crash or hang in processes of their own, so that they cost nothing else.

In: tasks as JSON values, and the command of a process that reads them line by line. Out: for each task its answer, or
how its process ended. A process that dies, or is silent for too long, is killed and replaced. Knows nothing of what the
tasks are.

The process writes `ALIVE` on a line when it is ready and whenever it makes progress, and one line of JSON for each
task.
"""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ALIVE = "alive"
_ANSWER_BYTES = 16 << 20  # of a line; a process that writes more is killed
_START_SECONDS = 120.0  # for a process to start on a busy machine


@dataclass(frozen=True)
class Outcome:
    """The result of a task: the `answer` of its process, or None and the `fault` that ended it."""

    task: Any
    answer: Any
    fault: str = ""


# Does tasks, which may write only in one folder; outcomes come in the order in which tasks end.
Pool = Callable[[Iterable[Any], Path], Generator[Outcome]]


def run(tasks: Iterable[Any], command: Sequence[str], *, workers: int, stall_seconds: float) -> Generator[Outcome]:
    """Do the tasks in up to `workers` processes at a time; outcomes come in the order in which tasks end.

    A task whose process is silent for `stall_seconds` is given up. The processes end when the iterator is closed or
    fails, and when this process ends.
    """
    waiting = iter(tasks)
    pool: list[_Worker] = []
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        stack.callback(lambda: [worker.kill() for worker in pool])

        def engage() -> None:
            """Start a process for the next task, if there is one."""
            for task in waiting:
                worker = _Worker(command, task)
                pool.append(worker)
                selector.register(worker.output, selectors.EVENT_READ, worker)
                return

        def dismiss(worker: _Worker) -> None:
            selector.unregister(worker.output)
            worker.kill()
            pool.remove(worker)

        for _ in range(workers):
            engage()
        while pool:
            patience = min(worker.patience(stall_seconds) for worker in pool)
            for key, _ in selector.select(max(0.0, patience)):
                worker: _Worker = key.data
                lines = worker.read()
                if lines is None:
                    fault = worker.how_it_died()
                    worker.check_started(fault)
                    dismiss(worker)
                    yield Outcome(worker.task, None, fault)
                    engage()
                for line in lines or ():
                    if line == ALIVE:
                        worker.hear()
                    else:
                        ended = worker.task
                        for task in waiting:
                            worker.give(task)
                            break
                        else:
                            dismiss(worker)
                        yield _outcome(ended, line)
            for worker in [worker for worker in pool if worker.patience(stall_seconds) <= 0]:
                worker.check_started(f"it was silent for {_START_SECONDS:g} s")
                dismiss(worker)
                yield Outcome(worker.task, None, f"it was given up after {stall_seconds:g} s without progress")
                engage()


def _outcome(task: Any, line: str) -> Outcome:
    try:
        return Outcome(task, json.loads(line))
    except (ValueError, RecursionError):
        return Outcome(task, None, "the process that read it gave no valid answer")


@dataclass(eq=False)
class _Worker:
    command: Sequence[str]
    task: Any
    ready: bool = False
    heard: float = field(default_factory=time.monotonic)
    rest: bytes = b""

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.input, self.output = self.process.stdin, self.process.stdout
        self.give(self.task)

    def give(self, task: Any) -> None:
        self.task, self.heard = task, time.monotonic()
        with contextlib.suppress(BrokenPipeError):  # it died, as reading from it will show
            self.input.write(json.dumps(task).encode() + b"\n")
            self.input.flush()

    def hear(self) -> None:
        self.ready, self.heard = True, time.monotonic()

    def check_started(self, fault: str) -> None:
        """Raise if the process never started: then the task is not to blame."""
        if not self.ready:
            raise RuntimeError(f"{' '.join(self.command)} does not start: {fault}")

    def patience(self, stall_seconds: float) -> float:
        """Return the seconds for which it may still be silent."""
        return self.heard + (stall_seconds if self.ready else _START_SECONDS) - time.monotonic()

    def read(self) -> list[str] | None:
        """Return the lines that it wrote since the last call; None if it is dead."""
        data = os.read(self.output.fileno(), 65536)
        if not data or len(self.rest) > _ANSWER_BYTES:
            self.process.kill()
            return None
        *lines, self.rest = (self.rest + data).split(b"\n")
        return [line.decode(errors="replace") for line in lines]

    def how_it_died(self) -> str:
        status = self.process.wait()
        if status >= 0:
            return f"the process that read it ended with status {status}"
        return f"the process that read it crashed ({signal.Signals(-status).name})"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.input, self.output):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
