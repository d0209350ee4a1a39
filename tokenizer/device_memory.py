"""Measure the free memory of a device, and suggest what fits when a clip does not.

All other packages call `free_bytes` for the free memory and `gibibytes` to print sizes. The memory that a net needs is
estimated elsewhere: a tokenizer's in `tokenizer/video/config.py`, a language model's in `lm/size.py`.
"""

import os
from collections.abc import Callable

import jax

from reelm.device import device
from reelm.errors import RequestError

Estimate = Callable[[int, int, int, int], int]

_SIDES = (2048, 1536, 1024, 768, 512, 384, 256, 192, 128)  # of tiles; all larger than the overlap of two tiles


def too_large(
    doing: str,
    estimate: Estimate,
    free: int,
    batch: int,
    frames: int,
    height: int,
    width: int,
    time: int,
    space: int,
) -> RequestError:
    """Return the error for clips that do not fit in memory; it names batches, chunks and tiles that fit.

    Args:
        doing: name of the work for the message, "encoding" or "decoding".
        estimate: function from (batch, frames, height, width) to bytes.
        free: free bytes of the device.
        batch, frames, height, width: shape of the clips, in pixels.
        time, space: strides of the tokenizer in frames and pixels.
    """
    shape, needed = f"{batch} x {frames} frames of {height}x{width}", estimate(batch, frames, height, width)
    message = f"{doing} {shape} takes about {gibibytes(needed)}, free are {gibibytes(free)}"
    fits = []
    if batch > 1 and estimate(1, frames, height, width) <= free:
        fits.append("one clip at a time")
    if chunks := [n for n in range(1, frames, time) if estimate(batch, n, height, width) <= free]:
        fits.append(f"chunks of {chunks[-1]} frames (encode_chunk, decode_chunk)")
    sides = [n for n in _SIDES if n % space == 0 and n < max(height, width)]
    if sides := [n for n in sides if estimate(batch, frames, n, n) <= free]:
        fits.append(f"tile={sides[0]} (of files --tile {sides[0]})")
    return RequestError(f"{message}; what fits: {', '.join([*fits, 'smaller frames'])}")


def free_bytes() -> int | None:
    """Return the free bytes of the first device; None where the system does not tell.

    For a CPU it is the available memory of the machine.
    """
    if device().platform != "cpu":
        stats = jax.local_devices()[0].memory_stats() or {}
        return stats["bytes_limit"] - stats["bytes_in_use"] if "bytes_limit" in stats else None
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        pages = os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
        return pages * os.sysconf("SC_PAGE_SIZE") if pages > 0 else None


def gibibytes(size: int) -> str:
    """Return a number of bytes as text, such as "1.5 GiB"."""
    return f"{size / 2**30:.1f} GiB"
