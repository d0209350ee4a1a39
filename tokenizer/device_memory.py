"""Whether a clip fits into memory before it is sent through a net, and what would fit if it does not.

In: an estimate `(batch, frames, height, width) -> bytes`. Out: nothing, or a RequestError that names a size that fits.
The estimates, in `video_config.py`, are of the largest layer: what its convolution reads, its time taps side by side,
those once more with their borders padded, its output, and what waits beside it. Six programs compiled for a CPU took
between 0.6 and 1.3 of that.
"""

import os
from collections.abc import Callable

import jax

from reelm.errors import RequestError

Estimate = Callable[[int, int, int, int], int]

_SIDES = (2048, 1536, 1024, 768, 512, 384, 256, 192, 128)  # more than tiles share


def check(
    doing: str, estimate: Estimate, batch: int, frames: int, height: int, width: int, time: int, space: int
) -> None:
    """RequestError when clips of this shape do not fit; `time` and `space` are the tokenizer's strides."""
    free = free_bytes()
    if free is None or (needed := estimate(batch, frames, height, width)) <= free:
        return
    message = f"{doing} {batch} x {frames} frames of {height}x{width} takes about {_gib(needed)}, free are {_gib(free)}"
    fits = []
    if batch > 1 and estimate(1, frames, height, width) <= free:
        fits.append("one clip at a time")
    if chunks := [n for n in range(1, frames, time) if estimate(batch, n, height, width) <= free]:
        fits.append(f"chunks of {chunks[-1]} frames (encode_chunk, decode_chunk)")
    sides = [n for n in _SIDES if n % space == 0 and n < max(height, width)]
    if sides := [n for n in sides if estimate(batch, frames, n, n) <= free]:
        fits.append(f"tile={sides[0]} (of files --tile {sides[0]})")
    raise RequestError(f"{message}; what fits: {', '.join([*fits, 'smaller frames'])}")


def free_bytes() -> int | None:
    """What the first device can still give, or this machine when that is its CPU; None where nobody says."""
    device = jax.local_devices()[0]
    if device.platform != "cpu":
        stats = device.memory_stats() or {}
        return stats["bytes_limit"] - stats["bytes_in_use"] if "bytes_limit" in stats else None
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        pages = os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
        return pages * os.sysconf("SC_PAGE_SIZE") if pages > 0 else None


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
