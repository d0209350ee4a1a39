"""Cut from frames what a container says is not shown: `PixelCrop` of Matroska and `clap` of mp4 and mov.

In: a file and decoded frames. Out: the frames that players show. FFmpeg knows these numbers, but PyAV does not tell
them, so they are read here (RFC 9559, sections 5.1.4.1.28.8 to 11; ISO/IEC 14496-12, section 12.1.4).
"""

import io
import logging
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.filter import Graph
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_log = logging.getLogger("reelm")

_SEGMENT, _TRACKS, _CLUSTER, _TRACK, _VIDEO = 0x18538067, 0x1654AE6B, 0x1F43B675, 0xAE, 0xE0
_PIXEL_CROPS = {0x54CC: "left", 0x54BB: "top", 0x54DD: "right", 0x54AA: "bottom"}
_SAMPLE_ENTRY = 86  # bytes of a `VisualSampleEntry` before its boxes, with its own head
_MOST = 10_000  # boxes or elements that are looked at


class Edges(NamedTuple):
    """Pixels that are not shown, on each side of a frame as it is stored."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0


def stated_edges(container: "InputContainer", stream: "VideoStream") -> Edges:
    """Return the edges of a track that its container says are not shown; none where it says nothing that can be."""
    kinds = container.format.name.split(",")
    with open(container.name, "rb") as file:
        end = file.seek(0, os.SEEK_END)
        if "matroska" in kinds:
            # FFmpeg gives no number of a track, but keeps the order; covers come last.
            edges = _of_matroska(file, end, list(container.streams.video).index(stream))
        elif "mov" in kinds:
            edges = _of_mp4(file, end, stream.id, stream.codec_context.width, stream.codec_context.height)
        else:
            edges = None
    return edges or Edges()


class Cropper:
    """Cuts frames. Edges that leave nothing are not cut, with a warning that calls the file `name`."""

    def __init__(self, edges: Edges, name: str):
        self._edges, self._name, self._warned = edges, name, False
        self._graph: Graph | None = None
        self._shape: tuple[str, int, int] | None = None

    def __call__(self, frame: "VideoFrame") -> "VideoFrame":
        """Return the part of a frame that is shown."""
        if not any(self._edges):
            return frame
        left, top, right, bottom = self._edges
        width, height = frame.width - left - right, frame.height - top - bottom
        if width < 1 or height < 1:
            if not self._warned:
                _log.warning("%s says that nothing of its frames is shown: they are shown whole", self._name)
                self._warned = True
            return frame
        shape = (frame.format.name, frame.width, frame.height)
        if self._graph is None or shape != self._shape:
            self._graph, self._shape = _graph(frame, f"{width}:{height}:{left}:{top}:exact=1"), shape
        self._graph.vpush(frame)
        return self._graph.vpull()


def _graph(frame: "VideoFrame", crop: str) -> "Graph":
    from av.filter import Graph

    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    cut, sink = graph.add("crop", crop), graph.add("buffersink")
    source.link_to(cut)
    cut.link_to(sink)
    graph.configure()
    return graph


def _of_matroska(file: io.BufferedReader, end: int, number: int) -> Edges | None:
    """Return the edges of video track `number`, from 0 on."""
    for segment, *inside in _elements(file, 0, end):
        if segment != _SEGMENT:
            continue
        for kind, *span in _elements(file, *inside):
            if kind == _CLUSTER:
                return None
            if kind == _TRACKS:
                tracks = [list(_elements(file, *entry)) for each, *entry in _elements(file, *span) if each == _TRACK]
                videos = [video for track in tracks for each, *video in track if each == _VIDEO]
                return _pixel_crops(file, videos[number]) if number < len(videos) else None
    return None


def _pixel_crops(file: io.BufferedReader, video: list[int]) -> Edges:
    found = {}
    for kind, begin, end in _elements(file, *video):
        if kind in _PIXEL_CROPS:
            file.seek(begin)
            found[_PIXEL_CROPS[kind]] = int.from_bytes(file.read(min(8, end - begin)), "big")
    return Edges(**found)


def _elements(file: io.BufferedReader, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the elements of EBML between two places: id, and where the content begins and ends."""
    for _ in range(_MOST):
        file.seek(begin)
        head = file.read(12)
        widths = [9 - first.bit_length() if first else 9 for first in head[:1]]
        if begin >= end or not widths or widths[0] > 4 or len(head) <= widths[0]:
            return
        sized = 9 - head[widths[0]].bit_length() if head[widths[0]] else 9
        size = head[widths[0] : widths[0] + sized]
        if sized > 8 or len(size) < sized:
            return
        length = int.from_bytes(size, "big") & ((1 << 7 * sized) - 1)
        content = begin + widths[0] + sized
        unknown = length == (1 << 7 * sized) - 1  # it lasts as long as what it is in
        begin, kind = end if unknown else min(content + length, end), int.from_bytes(head[: widths[0]], "big")
        yield kind, content, begin


def _of_mp4(file: io.BufferedReader, end: int, track: int, width: int, height: int) -> Edges | None:
    movie = _inside(file, [0, end], b"moov")
    for kind, *span in () if movie is None else _boxes(file, *movie):
        if kind != b"trak" or _track_id(file, span) != track:
            continue
        entries = _inside(file, span, b"mdia", b"minf", b"stbl", b"stsd")
        entry = None if entries is None else next(_boxes(file, entries[0] + 8, entries[1]), None)
        if entry is None:
            return None
        aperture = _inside(file, [entry[1] - 8 + _SAMPLE_ENTRY, entry[2]], b"clap")
        return None if aperture is None else _aperture(file, aperture[0], width, height)
    return None


def _track_id(file: io.BufferedReader, span: list[int]) -> int | None:
    head = _inside(file, span, b"tkhd")
    if head is None:
        return None
    file.seek(head[0])
    content = file.read(24)
    at = 20 if content[:1] == b"\1" else 12
    return int.from_bytes(content[at : at + 4], "big")


def _aperture(file: io.BufferedReader, begin: int, width: int, height: int) -> Edges | None:
    """Return the edges around a clean aperture: its size, and how far its centre is from that of the frame."""
    file.seek(begin)
    content = file.read(32)
    parts = [int.from_bytes(content[i : i + 4], "big", signed=i in (16, 24)) for i in range(0, 32, 4)]
    if len(content) < 32 or not all(parts[1::2]):
        return None
    shown_width, shown_height, right, down = (over / under for over, under in zip(parts[::2], parts[1::2], strict=True))
    left, top = round((width - shown_width) / 2 + right), round((height - shown_height) / 2 + down)
    edges = Edges(left, top, width - left - round(shown_width), height - top - round(shown_height))
    return edges if min(edges) >= 0 else None


def _inside(file: io.BufferedReader, span: list[int], *path: bytes) -> list[int] | None:
    """Return where the content of a box within boxes begins and ends; None where it is missing."""
    for wanted in path:
        found = next((inner for kind, *inner in _boxes(file, *span) if kind == wanted), None)
        if found is None:
            return None
        span = found
    return span


def _boxes(file: io.BufferedReader, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the boxes of mp4 between two places: kind, and where the content begins and ends."""
    for _ in range(_MOST):
        file.seek(begin)
        head = file.read(16)
        if end - begin < 8 or len(head) < 8:
            return
        size, kind, content = int.from_bytes(head[:4], "big"), head[4:8], begin + 8
        if size == 1:
            size, content = int.from_bytes(head[8:], "big"), begin + 16
        size = end - begin if size == 0 else size
        if size < content - begin:
            return
        begin = min(begin + size, end)
        yield kind, content, begin
