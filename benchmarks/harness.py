"""Shared code of the benchmarks: the machine and versions, the time of a call, a toy language model.

Benchmarks print JSON on stdout and progress on stderr. They are run as `python benchmarks/NAME.py`.
"""

import json
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from statistics import median
from typing import Any

import jax

from reelm.lm.net.config import LMConfig

TOY = LMConfig(
    text_vocabulary=20, prefix=6, frames=2, width=64, layers=2, heads=4, kv_heads=2, head_width=16, hidden=128
)
"""A net whose steps take milliseconds on a CPU."""


def about() -> dict[str, str]:
    """Return the devices, and the versions of packages."""
    devices = f"{len(jax.devices())} x {jax.devices()[0].device_kind} ({platform.machine()})"
    return {"device": devices, **{name: version(name) for name in ("reelm", "jax", "jaxlib")}}


def report(found: dict[str, Any]) -> None:
    """Print figures as JSON, with the machine and versions."""
    print(json.dumps(about() | found, indent=2))


def show(row: dict[str, Any]) -> dict[str, Any]:
    """Print a row of a table as one line on stderr, and return it."""
    cells = (f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items())
    print("  ".join(cells), file=sys.stderr)
    return row


def seconds(call: Callable[[], Any], times: int, warm: int = 1) -> float:
    """Return the median time of a call that waits for its result, after `warm` calls that compile and warm up."""
    taken = []
    for _ in range(warm + times):
        begun = time.perf_counter()
        jax.block_until_ready(call())
        taken.append(time.perf_counter() - begun)
    return median(taken[warm:])
