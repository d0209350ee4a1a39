"""Limits of size, memory and frame rate for files that are read and written."""

import math

from reelm.errors import RequestError

MAX_PIXELS = 64_000_000  # in one frame; refused from the header, before a decoder takes memory for it
BUDGET_BYTES = 2 * 2**30  # of a whole clip, decoded
MIN_FPS, MAX_FPS = 0.01, 1000.0
STILL_SECONDS = 120.0  # a frame that is shown for longer is a still one; the slowest rate has frames of 100 s
MAX_STILL_SECONDS = 24 * 3600.0  # of all still frames of a film
MAX_SECONDS = 30 * 24 * 3600.0  # of a film


def check_size(name: str, height: int, width: int) -> None:
    """Check that a frame has at most `MAX_PIXELS` pixels, else raise RequestError; messages call the file `name`."""
    if height * width > MAX_PIXELS:
        megapixels = height * width / 1e6
        raise RequestError(f"{name} has frames of {width}x{height} = {megapixels:.0f} megapixels; at most 64 are read")


def check_budget(name: str, frames: int, height: int, width: int, budget_bytes: int) -> None:
    """Check that frames take at most `budget_bytes` as uint8 RGB, else raise RequestError."""
    frame_bytes = 3 * height * width
    if frames * frame_bytes > budget_bytes:
        raise RequestError(
            f"{name} needs at least {frames * frame_bytes / 2**30:.2f} GiB as {width}x{height} frames, over the budget "
            f"of {budget_bytes / 2**30:.2f} GiB: {budget_bytes // frame_bytes} frames of this size fit; cut it shorter"
        )


def check_scale(scale: int) -> None:
    """Check that the side of a block is a whole number above zero, else raise RequestError."""
    if isinstance(scale, bool) or not isinstance(scale, int) or scale < 1:
        raise RequestError(f"scale is {scale}; it must be a whole number, at least 1")


class Timeline:
    """The times of a film's frames, checked one after another.

    A file of a few kilobytes could ask for years of one picture, in silence. Messages call it `name`.
    """

    def __init__(self, name: str) -> None:
        self._name, self._still = name, 0.0
        self._first, self._last = math.nan, math.nan

    def check(self, seconds: float) -> None:
        """Check the second at which a frame begins, or the last one ends. If the clock goes back, no time passes.

        Raises:
            RequestError: the film has lasted too long, or has stood still for too long.
        """
        if math.isnan(self._first):
            self._first = self._last = seconds
        span, self._last = seconds - self._last, seconds
        self._still += span if span > STILL_SECONDS else 0.0
        if not self._still <= MAX_STILL_SECONDS:
            raise RequestError(
                f"{self._name} stands still for {self._still / 3600:.0f} hours up to second {seconds:.0f}, in frames "
                f"of over {STILL_SECONDS / 60:.0f} minutes; at most a day"
            )
        if not seconds - self._first <= MAX_SECONDS:
            days = (seconds - self._first) / 86400
            raise RequestError(
                f"{self._name} lasts {days:.0f} days or more; at most {MAX_SECONDS / 86400:.0f} are read"
            )
