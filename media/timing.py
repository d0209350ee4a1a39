"""Frames with the times at which they are shown.

Every reader yields `TimedFrame`s; `on_clock` gives them an even rate and `gather` makes one array of them within a
memory budget. Knows nothing of files and formats.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from reelm.errors import RequestError

from .limits import check_budget
from .pixels import Frames, fit

SLIP = 0.5  # seconds by which a file's clock may go back within a recording, where its times are rounded or guessed

_SQUEEZED = 0.75  # of a frame that comes early after a hole


class TimedFrame:
    """A frame, and when it is shown: from `start` to `end`, in seconds on the file's own clock.

    `pixels` and `glimpse` may be functions, which are called at the first access: a frame that is left out is then
    decoded but not converted. `glimpse` is None if a small picture costs as much as the whole one.
    """

    def __init__(
        self,
        start: float,
        end: float,
        pixels: Frames | Callable[[], Frames],
        glimpse: Frames | Callable[[], Frames] | None = None,
    ) -> None:
        self.start, self.end = start, end
        self._pixels, self._glimpse = pixels, glimpse

    @property
    def pixels(self) -> Frames:
        """[H,W,3]."""
        if callable(self._pixels):
            self._pixels = self._pixels()
        return self._pixels

    @property
    def glimpse(self) -> Frames:
        """[h,w,3], a small copy to compare with its neighbours, not turned; or else all its pixels."""
        if callable(self._glimpse):
            self._glimpse = self._glimpse()
        return self.pixels if self._glimpse is None else self._glimpse

    def shown(self, start: float, end: float) -> "TimedFrame":
        """Return the same frame at another time."""
        return TimedFrame(start, end, lambda: self.pixels, lambda: self.glimpse)


def evenly(frames: Iterable[Frames], fps: float) -> Iterator[TimedFrame]:
    """Yield frames [H,W,3] from second zero on, all shown equally long."""
    return (TimedFrame(index / fps, (index + 1) / fps, frame) for index, frame in enumerate(frames))


def onward(frames: Iterable[TimedFrame]) -> Iterator[TimedFrame]:
    """Yield the frames on a clock that never goes back.

    Where the file's clock does, as between joined recordings, time goes on without a gap. A frame that is only a
    little early follows the one before, and so do those after it until their own times are later. Where a hole came
    first, the frames since then were late: they keep their times, and the early one is squeezed in between.
    """
    held: TimedFrame | None = None
    shift = late = 0.0
    for frame in frames:
        moved = shift
        if held is not None and frame.start + shift <= held.start:
            step = held.end - held.start
            moved = held.end - frame.start
            if held.start - frame.start - shift >= SLIP:
                shift, late = moved, 0.0
            elif late > step / 2:
                late -= step
                moved -= _SQUEEZED * step
        elif held is not None:
            late += max(0.0, frame.start + shift - held.end)
        held = frame.shown(frame.start + moved, frame.end + moved) if moved else frame
        yield held


def from_zero(frames: Iterable[TimedFrame]) -> Iterator[TimedFrame]:
    """Yield the same footage from second zero on, each frame shown until the next begins."""
    held: TimedFrame | None = None
    origin = 0.0  # on the file's clock
    for frame in frames:
        if held is None:
            origin = frame.start
        else:
            yield held.shown(held.start, frame.start - origin)
        held = frame.shown(frame.start - origin, frame.end - origin)
    if held is not None:
        yield held


def on_clock(frames: Iterable[TimedFrame], fps: float) -> Iterator[TimedFrame]:
    """Yield the same footage at an even rate, counted from the start of its first frame.

    Output frame j is what a viewer sees at j / fps seconds: the last frame that has begun by then. The count is the
    duration times `fps`, rounded, and at least one.
    """
    # Matroska rounds timestamps to a millisecond, GIF to ten: a frame is not late for that.
    tolerance = min(5.1e-3, 0.25 / fps)
    held: TimedFrame | None = None
    origin, shown = 0.0, 0

    def at(index: int, frame: TimedFrame) -> TimedFrame:
        return frame.shown(origin + index / fps, origin + (index + 1) / fps)

    for frame in frames:
        if held is None:
            origin = frame.start
        else:
            while origin + shown / fps + tolerance < frame.start:
                yield at(shown, held)
                shown += 1
        held = frame
    if held is not None:
        for index in range(shown, max(1, round((held.end - origin) * fps))):
            yield at(index, held)


def of_one_size(name: str, frames: Iterable[TimedFrame]) -> Iterator[TimedFrame]:
    """Yield the frames as they come; RequestError at the first whose size differs."""
    first: Frames | None = None
    for index, frame in enumerate(frames):
        first = frame.pixels if first is None else first
        if frame.pixels.shape != first.shape:
            (old_height, old_width, _), (height, width, _) = first.shape, frame.pixels.shape
            raise RequestError(
                f"{name} changes its size from {old_width}x{old_height} to {width}x{height} at frame {index}; "
                "give a file of one size"
            )
        yield frame


def at_size(name: str, frames: Iterable[TimedFrame], height: int, width: int) -> Iterator[TimedFrame]:
    """Yield the frames scaled to cover height x width and cropped to their centre; RequestError if sizes differ."""
    seen = fitted = np.zeros((0, 0, 3), np.uint8)
    for frame in of_one_size(name, frames):
        if frame.pixels is not seen:  # the same one is often shown again
            seen, fitted = frame.pixels, fit(frame.pixels, height, width)
        yield TimedFrame(frame.start, frame.end, fitted)


def gather(
    name: str, frames: Iterable[TimedFrame], max_frames: int | None, budget_bytes: int
) -> tuple[Frames, float, float]:
    """Return up to `max_frames` frames as one array [T,H,W,3], and the seconds at which they start and end.

    Raises:
        RequestError: no frame at all; frames of several sizes; more than `budget_bytes` of them.
    """
    data, shape, count = bytearray(), (0, 0, 3), 0  # grows in place: frames in a list, to be stacked, take it twice
    start = end = 0.0
    for frame in of_one_size(name, frames):
        shape = height, width, _ = frame.pixels.shape
        check_budget(name, count + 1, height, width, budget_bytes)
        start, end = start if count else frame.start, frame.end
        data += np.ascontiguousarray(frame.pixels).data
        count += 1
        if count == max_frames:
            break
    if not count:
        raise RequestError(f"{name} holds no frames; give a video of at least one")
    return np.frombuffer(data, np.uint8).reshape(count, *shape), start, end
