"""Check that whole clips fit into memory before they are made.

In: the shape of clips. Out: nothing, or a RequestError that says what fits.
"""

import os

from reelm.errors import RequestError
from reelm.tokenizer.device_memory import gibibytes


def check_clips(clips: int, frames: int | None, height: int, width: int) -> None:
    """Check that the pictures of clips that are made together, and come back whole, fit into this machine's memory.

    Args:
        clips: made together.
        frames: of each; None for clips that come in pieces.
        height, width: of the frames, in pixels.

    Raises:
        RequestError: they do not fit.
    """
    needed, there = 2 * 3 * clips * (frames or 1) * height * width, _memory()  # pieces, and all of them joined
    if there is not None and needed > there:
        raise RequestError(
            f"{clips} clips of {frames} frames of {width}x{height} take {gibibytes(needed)}, this machine has "
            f"{gibibytes(there)} of memory; make fewer or shorter clips, or take them piece by piece (stream)"
        )


def _memory() -> int | None:
    """Return the bytes of this machine's memory; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
