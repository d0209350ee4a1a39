"""Split a film into shots, where it changes from one camera to another, by FFmpeg's `scdet`.

In: frames of one size. Out: the same frames, shot by shot. A cut is where the mean absolute difference of neighbouring
frames is large and also much larger than the one before, so that fast motion does not count. Fades are not found. Only
small copies of frames (`glimpse`) are compared.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import groupby

from reelm.media.pixels import Frames
from reelm.media.timing import TimedFrame

DEFAULT_THRESHOLD = 10.0


class ShotDetector:
    """Tells of frame after frame whether it begins a shot."""

    def __init__(self, height: int, width: int, threshold: float = DEFAULT_THRESHOLD) -> None:
        """Make a detector. `threshold` is in percent of the largest possible difference; FFmpeg's default is 10."""
        from av.filter import Graph

        self._graph, self._count = Graph(), 0
        self._source = self._graph.add_buffer(width=width, height=height, format="rgb24", time_base=Fraction(1, 1000))
        # With sc_pass only the first frames of shots come out of the filter.
        scdet = self._graph.add("scdet", f"threshold={threshold}:sc_pass=1")
        self._sink = self._graph.add("buffersink")
        self._source.link_to(scdet)
        scdet.link_to(self._sink)
        self._graph.configure()

    def begins(self, picture: Frames) -> bool:
        """Return whether picture [h, w, 3] begins a new shot; False for the first picture."""
        from av import VideoFrame
        from av.error import BlockingIOError, EOFError

        frame = VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, self._count = self._count, self._count + 1
        self._source.push(frame)
        try:
            self._sink.pull()
        except (BlockingIOError, EOFError):
            return False
        return True


def shots(frames: Iterable[TimedFrame], threshold: float = DEFAULT_THRESHOLD) -> Iterator[Iterator[TimedFrame]]:
    """Yield the frames of each shot. Read all frames of a shot before the next shot."""
    return (map(_frame, numbered) for _, numbered in groupby(_numbered(frames, threshold), key=_number))


def _numbered(frames: Iterable[TimedFrame], threshold: float) -> Iterator[tuple[int, TimedFrame]]:
    detector, number = None, 0
    for frame in frames:
        if detector is None:
            height, width, _ = frame.glimpse.shape
            detector = ShotDetector(height, width, threshold)
        number += detector.begins(frame.glimpse)
        yield number, frame


def _number(numbered: tuple[int, TimedFrame]) -> int:
    return numbered[0]


def _frame(numbered: tuple[int, TimedFrame]) -> TimedFrame:
    return numbered[1]
