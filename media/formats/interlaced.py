"""Interlaced film: each frame holds two fields, every other line, that were seen one after the other.

Comes in: a decoder and its packets. Goes out: the decoder's frames, one for one at their times, those that are
interlaced as one moment each (FFmpeg's bwdif). What is not interlaced comes as it is, and costs nothing. Knows nothing
of pixels and colours.
"""

import logging
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.filter import Graph
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame

_log = logging.getLogger("reelm")

_FIELD_FIRST = {2: "tff", 3: "bff", 4: "tff", 5: "bff"}  # by AVFieldOrder; 4 is "interleaved, top line earlier"
_LEAST_ROWS, _LEAST_COLUMNS = 4, 3  # of bwdif


class WholeFrames:
    """A decoder whose frames are whole; messages call the file `name`.

    Decoders mark each frame that is interlaced, but those of ProRes and the like leave it to the file's header.
    """

    def __init__(self, decoder: "VideoCodecContext", container: "InputContainer", name: str) -> None:
        self._decoder, self._name = decoder, name
        self._graph: Graph | None = None
        self._shape: tuple[str, int, int] | None = None
        self._held: deque[tuple[VideoFrame, bool]] = deque()  # what is in the filter, and whether it is interlaced
        self._order = field_order(decoder, container)  # of frames that are not marked
        self._begun = self._said = False

    def decode(self, packet: "Packet") -> "list[VideoFrame]":
        """Return the frames that are ready; the empty packet at the end brings the last."""
        frames = self._decoder.decode(packet)
        if frames and not self._begun:
            self._begun = True
            if frames[0].interlaced_frame:
                self._order = None
        if self._graph is None and self._order is None and not any(frame.interlaced_frame for frame in frames):
            return frames
        whole = [out for frame in frames for out in self._through(frame)]
        if not packet.size and packet.pts is None:
            whole += self._end()
        return whole

    def _through(self, frame: "VideoFrame") -> "Iterator[VideoFrame]":
        shape = (frame.format.name, frame.height, frame.width)
        woven = frame.interlaced_frame or self._order is not None
        if shape != self._shape:
            yield from self._end()
            if not woven or frame.height < _LEAST_ROWS or frame.width < _LEAST_COLUMNS:
                yield frame
                return
            if not self._said:
                _log.warning("%s is interlaced: the two fields of each frame are made one", self._name)
            self._graph, self._shape, self._said = _graph(frame, self._order), shape, True
        assert self._graph is not None
        self._held.append((frame, woven))
        self._graph.vpush(frame)
        yield from self._ready(self._graph)

    def _end(self) -> "Iterator[VideoFrame]":
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._ready(self._graph)
        self._graph = self._shape = None

    def _ready(self, graph: "Graph") -> "Iterator[VideoFrame]":
        from av.error import BlockingIOError, EOFError

        while self._held:
            try:
                whole = graph.vpull()
            except (BlockingIOError, EOFError):
                return
            frame, woven = self._held.popleft()
            if woven:  # the filter counts in half ticks
                whole.pts, whole.time_base, whole.duration = frame.pts, frame.time_base, frame.duration
            yield whole if woven else frame


def field_order(decoder: "VideoCodecContext", container: "InputContainer") -> str | None:
    """Return "tff" or "bff" where the header says that the film is interlaced, if the format has a place for it."""
    if not {"matroska", "mov", "mxf"} & {*container.format.name.split(",")}:
        return None
    return _FIELD_FIRST.get(int(decoder.field_order or 0))


def _graph(frame: "VideoFrame", order: str | None) -> "Graph":
    """Return a filter for frames like this one; which field is the first one, the frames say, or `order` does."""
    from av.filter import Graph

    graph = Graph()
    graph.threads = 1
    base: Any = frame.time_base or Fraction(1, 1000)
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=base)
    # Of all frames: the filter would leave out those that stand beside one that is not interlaced.
    bwdif = graph.add("bwdif", f"mode=send_frame:deint=all:parity={order or 'auto'}")
    graph.link_nodes(source, bwdif, graph.add("buffersink")).configure()
    return graph
