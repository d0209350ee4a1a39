"""Limits of size, memory and frame rate for files that are read and written."""

from reelm.errors import RequestError

MAX_PIXELS = 64_000_000  # in one frame; refused from the header, before a decoder takes memory for it
BUDGET_BYTES = 2 * 2**30  # of a whole clip, decoded
MIN_FPS, MAX_FPS = 0.01, 1000.0
MAX_FRAME_SECONDS = 24 * 3600.0  # that one frame is shown
MAX_SECONDS = 30 * 24 * 3600.0  # of a film: a small file could ask for years of silence


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


def check_span(name: str, start: float, end: float) -> None:
    """Check from which second to which a frame is shown, else raise RequestError; messages call the file `name`."""
    if not end - start <= MAX_FRAME_SECONDS:
        raise RequestError(f"{name} shows a frame for {end - start:.0f} s, from second {start:.0f} on; at most a day")
    if not end <= MAX_SECONDS:
        raise RequestError(f"{name} lasts {end / 86400:.0f} days or more; at most {MAX_SECONDS / 86400:.0f} are read")
