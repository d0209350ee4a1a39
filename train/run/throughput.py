"""Measure the speed of a run: samples, tokens and FLOPs a second, and the fraction of time spent waiting for data.

In: the load of each batch, and the times at which the loop waits for data. Out: figures of the steps since the last
call, and a profiler's trace of some steps. They use the host's clock and differ from run to run; the metrics of a run
do not depend on them.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax

NAMES = ("samples_per_second", "tokens_per_second", "data_wait", "mfu")

# Dense bfloat16 FLOP/s of one device as its maker states them, by JAX's name for the device.
PEAK_FLOPS = {
    "TPU v4": 275e12,
    "TPU v5 lite": 197e12,
    "TPU v5p": 459e12,
    "TPU v6 lite": 918e12,
    "A100": 312e12,
    "H100": 989e12,
    "H200": 989e12,
    "B200": 2250e12,
}


class Load(NamedTuple):
    """The load of one batch over all devices: samples, tokens (0: not counted) and FLOPs of a step (0: unknown).
    FLOPs are those of the model, forward and backward, without recomputation to save memory (PaLM, arXiv 2204.02311,
    appendix B).
    """

    samples: int
    tokens: int = 0
    flops: float = 0.0


def samples_in(batch: Any) -> Load:
    """Return the load of a batch by the length of its first axis."""
    return Load(samples=jax.tree.leaves(batch)[0].shape[0])


class Throughput:
    """Sums loads and waits between two calls of `take`."""

    def __init__(self) -> None:
        self._peak = peak_flops()
        self._clear()

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time inside this context as waiting for a batch."""
        begun = time.monotonic()
        yield
        self._waited += time.monotonic() - begun

    def add(self, load: Load) -> None:
        self._samples, self._tokens = self._samples + load.samples, self._tokens + load.tokens
        self._flops += load.flops

    def take(self) -> dict[str, float]:
        """Return the known figures since the last call, by `NAMES`; `data_wait` and `mfu` are fractions of 1."""
        seconds = max(time.monotonic() - self._begun, 1e-9)
        mfu = self._flops / seconds / self._peak if self._peak else 0.0
        figures = (self._samples / seconds, self._tokens / seconds, self._waited / seconds, mfu)
        known = {name: figure for name, figure in zip(NAMES, figures, strict=True) if figure or name == "data_wait"}
        self._clear()
        return known

    def _clear(self) -> None:
        self._begun, self._waited = time.monotonic(), 0.0
        self._samples, self._tokens, self._flops = 0, 0, 0.0


def peak_flops() -> float:
    """Return the bfloat16 FLOP/s of all devices together; 0 if one of them is not known."""
    kinds = [device.device_kind for device in jax.devices()]
    peaks = [next((peak for name, peak in PEAK_FLOPS.items() if name in kind), 0.0) for kind in kinds]
    return sum(peaks) if all(peaks) else 0.0


class Profile:
    """Traces the steps `first` to `last` into a folder; does nothing if no steps are named."""

    def __init__(self, steps: tuple[int, int] | None, folder: Path) -> None:
        self._steps, self._folder, self._on = steps, folder, False

    def before(self, step: int) -> None:
        """Call this before a step is dispatched. A run that resumes between the two steps traces the remaining ones."""
        if self._steps is not None and not self._on and self._steps[0] <= step <= self._steps[1]:
            jax.profiler.start_trace(self._folder)
            self._on = True

    def after(self, step: int, results: Any) -> None:
        """Call this after a step is dispatched, with its results: the trace ends when those of the last step exist."""
        if self._on and self._steps is not None and step >= self._steps[1]:
            jax.block_until_ready(results)
            self.close()

    def close(self) -> None:
        if self._on:
            self._on = False
            jax.profiler.stop_trace()
