"""The metrics of a run: average them between two log lines, find the best, and show progress.

In: the metrics of single steps and of evaluations as plain floats. Out: their means, the step of the best evaluation,
and progress on stderr. This module knows nothing of devices, models or checkpoints.
"""

import math
import sys
import time
from collections.abc import Mapping
from typing import Any

from reelm.errors import RequestError


class Meter:
    """Averages metrics over a window of steps.

    A step with `skipped`, or whose loss is not finite, is counted but does not change the averages.
    """

    def __init__(self) -> None:
        self.skipped = 0
        """Steps without a finite loss in the whole run."""
        self.skipped_in_a_row = 0
        """Steps without a finite loss since the last finite one."""
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def add(self, values: Mapping[str, float]) -> None:
        if values.get("skipped", 0) or not math.isfinite(values.get("loss", 0.0)):
            self.skipped += 1
            self.skipped_in_a_row += 1
            return
        self.skipped_in_a_row = 0
        for name, value in values.items():
            if name != "skipped":
                self._sums[name] = self._sums.get(name, 0.0) + value
                self._counts[name] = self._counts.get(name, 0) + 1

    def means(self) -> dict[str, float]:
        """Return the means of the window, the loss first, and the number skipped in the run."""
        names = sorted(self._sums, key=lambda name: name != "loss")
        return {**{name: self._sums[name] / self._counts[name] for name in names}, "skipped": self.skipped}

    def clear(self) -> None:
        self._sums, self._counts = {}, {}

    def get_state(self) -> dict[str, Any]:
        """Return the open window as JSON values, so that a resumed run logs the same means as an uninterrupted one."""
        return {"sums": dict(self._sums), "counts": dict(self._counts), "skipped": self.skipped}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self._sums, self._counts, self.skipped = dict(state["sums"]), dict(state["counts"]), state["skipped"]
        self.skipped_in_a_row = 0


class Best:
    """Remembers the step at which a metric was lowest, or highest where its name begins with "-"."""

    def __init__(self, metric: str) -> None:
        self._name, self._sign = metric.removeprefix("-"), -1.0 if metric.startswith("-") else 1.0
        self._value: float | None = None
        self.step: int | None = None
        self.waited = 0
        """Evaluations since the best one."""

    def take(self, step: int, values: Mapping[str, float]) -> bool:
        """Return whether these values are better than all before; RequestError when the metric is missing."""
        if self._name not in values:
            raise RequestError(f"best is {self._name!r}, which is not a metric of evaluations: {', '.join(values)}")
        value = self._sign * values[self._name]
        if not math.isfinite(value) or (self._value is not None and value >= self._value):
            self.waited += 1
            return False
        self._value, self.step, self.waited = value, step, 0
        return True

    def get_state(self) -> dict[str, Any]:
        """Return the JSON values that a checkpoint holds."""
        return {"value": self._value, "step": self.step, "waited": self.waited}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self._value, self.step = state["value"], state["step"]
        self.waited = state.get("waited", 0)  # earlier versions did not count


_PLAIN_SECONDS = 10.0


class Display:
    """Progress on stderr: a bar on a terminal, elsewhere a plain line every ten seconds, or nothing if `silent`."""

    def __init__(self, label: str, steps: int, *, silent: bool = False) -> None:
        self._label, self._steps, self._silent = label, steps, silent
        self._step, self._time, self._shown = 0, time.monotonic(), False
        self._progress: Any = None

    def start(self, step: int) -> None:
        """Start at `step`; notes may come before."""
        self._step, self._time = step, time.monotonic()
        if sys.stderr.isatty() and not self._silent:
            # Import rich only for a terminal, because the import takes time.
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            count = TextColumn("{task.completed}/{task.total}  {task.fields[text]}")
            columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), count)
            self._progress = Progress(*columns, console=Console(stderr=True))
            self._task = self._progress.add_task(self._label, total=self._steps, completed=step, text="")
            self._progress.start()

    def show(self, step: int, values: Mapping[str, float]) -> None:
        """Show the metrics of `step`, the mean time of a step since the last call, and the remaining time."""
        now = time.monotonic()
        rare = self._progress is None and self._shown and now - self._time < _PLAIN_SECONDS and step < self._steps
        if self._silent or rare:
            return
        seconds = (now - self._time) / max(1, step - self._step)
        self._time, self._step, self._shown = now, step, True
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in values.items() if name != "skipped" or value)
        text = f"{numbers}  {1000 * seconds:.1f} ms/step  {duration(seconds * (self._steps - step))} left"
        if self._progress is None:
            print(f"{self._label} {step}/{self._steps}  {text}", file=sys.stderr, flush=True)
        else:
            self._progress.update(self._task, completed=step, text=text)

    def note(self, text: str) -> None:
        """Print one message on a separate line."""
        if self._silent:
            return
        if self._progress is None:
            print(f"{self._label}: {text}", file=sys.stderr, flush=True)
        else:
            self._progress.console.print(f"{self._label}: {text}", markup=False, highlight=False)

    def close(self) -> None:
        """Restore the terminal."""
        if self._progress is not None:
            self._progress.stop()


def duration(seconds: float) -> str:
    """Return a time span as text: `42s`, `7m05s`, `3h12m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
