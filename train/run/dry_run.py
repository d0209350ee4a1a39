"""Report shapes, parameters, tokens, memory and time of a run from its first steps.

In: the state, the step and the first batch of a run. Out: lines of text. The steps are really made, so errors of the
run appear here.
"""

import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from .throughput import Load

_ELSEWHERE = ("params", "opt_state", "ema")


def dry_run(
    state: Any, step: Callable[[Any, Any], tuple[Any, Any]], batch: Any, load: Load, steps: int
) -> Iterator[str]:
    """Yield the lines of the report; `state` is donated to the step."""
    devices = jax.devices()
    yield f"devices: {len(devices)} x {devices[0].device_kind}"
    for name in _ELSEWHERE:
        if tree := getattr(state, name, None):
            numbers, size = _count(tree), sum(leaf.nbytes for leaf in jax.tree.leaves(tree))
            yield f"{name}: {numbers:,} numbers, {_size(size)}"
    for name in sorted(state.params):
        yield f"params of {name}: {_count(state.params[name]):,}"
    for path, leaf in jax.tree_util.tree_leaves_with_path(batch):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        yield f"batch{' ' if name else ''}{name}: {leaf.dtype}{list(leaf.shape)}"
    tokens = f", {load.tokens:,} tokens" if load.tokens else ""
    yield f"a step of this shape: {load.samples:,} samples{tokens}; {steps:,} steps in the run"
    seconds, metrics = [], {}
    for _ in range(2):
        begun = time.monotonic()
        state, metrics = step(state, batch)
        metrics = {name: float(value) for name, value in jax.device_get(metrics).items()}
        seconds.append(time.monotonic() - begun)
    yield "metrics after two steps: " + ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
    yield f"time: {seconds[0]:.2f} s for the first step, which compiles; {seconds[1]:.3f} s for the second"
    yield f"memory: {_peak()}"


def videos_in(batch: Any) -> list[np.ndarray]:
    """Return up to eight videos uint8 [T, H, W, 3] of each array [B, T, H, W, 3] in [-1, 1] in a batch."""
    leaves = [leaf for leaf in jax.tree.leaves(batch) if leaf.ndim == 5 and leaf.shape[-1] == 3]
    return [np.clip(127.5 * (np.asarray(video) + 1), 0, 255).astype(np.uint8) for leaf in leaves for video in leaf[:8]]


def _count(tree: Any) -> int:
    return sum(np.size(leaf) for leaf in jax.tree.leaves(tree))


def _peak() -> str:
    statistics = [device.memory_stats() or {} for device in jax.local_devices()]
    if all("peak_bytes_in_use" in each for each in statistics):
        limits = f" of {_size(statistics[0]['bytes_limit'])}" if "bytes_limit" in statistics[0] else ""
        return f"{_size(max(each['peak_bytes_in_use'] for each in statistics))}{limits} on a device at its peak"
    unit = 1 if sys.platform == "darwin" else 1024
    return f"{_size(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)} of this process at its peak"


def _size(count: float) -> str:
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
