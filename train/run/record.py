"""What a run leaves for people to read: its metrics as JSON lines and for TensorBoard, and its samples.

In: the numbers of a step, a function that writes samples. Out: files in the workdir, written by one process of a run.
Knows nothing of models or of what the numbers mean.
"""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

from .metrics import MetricsFile
from .tensorboard import EventFile


class Record:
    """The record of a run from `step` on; where `writes` is false, nothing is written and nothing drawn."""

    def __init__(self, workdir: Path, step: int, *, tensorboard: bool, writes: bool) -> None:
        self._workdir, self._open = workdir, contextlib.ExitStack()
        self._log = self._events = None
        if writes:
            self._log = self._open.enter_context(contextlib.closing(MetricsFile(workdir / "metrics.jsonl", step)))
        if writes and tensorboard:
            self._events = self._open.enter_context(contextlib.closing(EventFile(workdir / "tensorboard", step)))

    def write(self, step: int, seconds: float, values: Mapping[str, float]) -> None:
        """Adds the numbers of a step, made after so many seconds of the run."""
        if self._log is not None:
            self._log.write(step, {"seconds": round(seconds, 3), **values})
        if self._events is not None:
            self._events.write(step, values)

    def sample(self, step: int, samples: Callable[[Path], None], note: Callable[[str], None]) -> None:
        """Has `samples` fill a folder of its own; a failure is told to `note`."""
        if self._log is None:
            return
        folder = self._workdir / "samples" / f"step_{step:08d}"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            samples(folder)
        except Exception as error:  # Hours of training must not end because a clip could not be made.
            note(f"no samples in {folder.name}: {type(error).__name__}: {error}")
        if self._events is not None:
            self._events.show(step, folder)

    def close(self) -> None:
        """Closes the files."""
        self._open.close()
