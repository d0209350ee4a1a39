"""Deinterlace decoded frames with FFmpeg's bwdif.

An interlaced frame holds two fields, its odd and its even lines, taken one after the other. In: a decoder and its
packets. Out: each frame at its own time, showing one field with its missing lines interpolated. Progressive frames pass
unchanged, at no cost.
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


class Deinterlacer:
    """Decodes packets to progressive frames; messages call the file `name`.

    Most decoders mark each interlaced frame; those of ProRes and similar codecs leave it to the file's header.
    """

    def __init__(self, decoder: "VideoCodecContext", container: "InputContainer", name: str) -> None:
        self._decoder, self._name = decoder, name
        self._graph: Graph | None = None
        self._shape: tuple[str, int, int] | None = None
        self._held: deque[tuple[VideoFrame, bool]] = deque()  # frames in the filter, and whether each is interlaced
        self._order = field_order(decoder, container)  # of frames that are not marked
        self._begun = self._warned = False

    def decode(self, packet: "Packet") -> "list[VideoFrame]":
        """Return the frames that are ready; the empty packet at the end flushes the last ones."""
        frames = self._decoder.decode(packet)
        if frames and not self._begun:
            self._begun = True
            if frames[0].interlaced_frame:
                self._order = None
        if self._graph is None and self._order is None and not any(frame.interlaced_frame for frame in frames):
            return frames
        progressive = [out for frame in frames for out in self._filtered(frame)]
        if not packet.size and packet.pts is None:
            progressive += self._flush()
        return progressive

    def _filtered(self, frame: "VideoFrame") -> "Iterator[VideoFrame]":
        shape = (frame.format.name, frame.height, frame.width)
        interlaced = frame.interlaced_frame or self._order is not None
        if shape != self._shape:
            yield from self._flush()
            if not interlaced or frame.height < _LEAST_ROWS or frame.width < _LEAST_COLUMNS:
                yield frame
                return
            if not self._warned:
                _log.warning("%s is interlaced: the two fields of each frame are made one", self._name)
            self._graph, self._shape, self._warned = _graph(frame, self._order), shape, True
        assert self._graph is not None
        self._held.append((frame, interlaced))
        self._graph.vpush(frame)
        yield from self._pull(self._graph)

    def _flush(self) -> "Iterator[VideoFrame]":
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._pull(self._graph)
        self._graph = self._shape = None

    def _pull(self, graph: "Graph") -> "Iterator[VideoFrame]":
        from av.error import BlockingIOError, EOFError

        while self._held:
            try:
                progressive = graph.vpull()
            except (BlockingIOError, EOFError):
                return
            frame, interlaced = self._held.popleft()
            if interlaced:  # the filter counts in half ticks
                progressive.pts, progressive.time_base = frame.pts, frame.time_base
                progressive.duration = frame.duration
            yield progressive if interlaced else frame


def field_order(decoder: "VideoCodecContext", container: "InputContainer") -> str | None:
    """Return "tff" or "bff" if the header of the file says that the film is interlaced, else None."""
    if not {"matroska", "mov", "mxf"} & {*container.format.name.split(",")}:
        return None
    return _FIELD_FIRST.get(int(decoder.field_order or 0))


def _graph(frame: "VideoFrame", order: str | None) -> "Graph":
    """Return a filter for frames like this one; `order` names the first field, None takes it from each frame."""
    from av.filter import Graph

    graph = Graph()
    graph.threads = 1
    base: Any = frame.time_base or Fraction(1, 1000)
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=base)
    # deint=interlaced would skip an interlaced frame next to a progressive one that repeats a field (telecine).
    bwdif = graph.add("bwdif", f"mode=send_frame:deint=all:parity={order or 'auto'}")
    graph.link_nodes(source, bwdif, graph.add("buffersink")).configure()
    return graph
