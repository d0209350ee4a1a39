"""Open a video container, read its comment and pixel aspect, choose its tracks, and word its errors."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar

from reelm.errors import RequestError
from reelm.media.limits import MAX_PIXELS

from .allowed import CODEC_OPTION, CONTAINERS, DECODERS

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

    S = TypeVar("S", bound=Stream)


_log = logging.getLogger("reelm")

_LONGEST_PIXEL = 8  # a pixel that is longer than this is an error in the header

# FFmpeg decodes a frame to learn its format: a huge one must be refused even then.
_OPTIONS = {
    "max_pixels": str(MAX_PIXELS),
    "protocol_whitelist": "file",
    "format_whitelist": ",".join(CONTAINERS),
    **CODEC_OPTION,
}


def read_comment(path: str | os.PathLike[str], name: str) -> str | None:
    """Return the text under `comment` in the container's metadata; None without one."""
    with open_container(path, name) as container:
        return {key.lower(): value for key, value in container.metadata.items()}.get("comment")


@contextmanager
def open_container(path: str | os.PathLike[str], name: str) -> "Iterator[InputContainer]":
    """Open a container for reading; RequestError, which calls the file `name`, when FFmpeg cannot read it."""
    import av
    from av.error import FFmpegError

    file = os.path.abspath(path)  # absolute, or a colon in the name would be taken for the end of a protocol
    try:
        try:
            container = av.open(file, options=_OPTIONS)
        except UnicodeDecodeError:  # PyAV 18 refuses metadata that is not UTF-8; later versions do not
            lenient: dict[str, Any] = {"metadata_errors": "surrogateescape"}
            container = av.open(file, options=_OPTIONS, **lenient)
    except (FFmpegError, ValueError) as error:
        raise RequestError(f"{name} cannot be read as a video ({fault(error)}); give an intact video file") from error
    with container:
        yield container


def picture_tracks(container: "InputContainer") -> "list[VideoStream]":
    """Return the video tracks, without covers and thumbnails."""
    from av.stream import Disposition

    return [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]


def default_track(streams: "Sequence[S]") -> "S":
    """Return the default track, else the first, among those that can be decoded, or among all if none can."""
    from av.stream import Disposition

    known = [stream for stream in streams if is_decoded(stream)] or streams
    return next((stream for stream in known if stream.disposition & Disposition.default), known[0])


def is_decoded(stream: "Stream") -> bool:
    """Return whether a track has a decoder that may be used."""
    return stream.codec_context is not None and stream.codec_context.name in DECODERS


def packets(container: "InputContainer", stream: "Stream") -> "Iterator[Packet]":
    """Yield the packets of a track that are not empty, and then the empty one that flushes the last frames.

    FLV describes sound of many channels in a packet without bytes. Theora has empty packets while the picture stays:
    the frame before lasts until the next one.
    """
    for packet in container.demux(stream):
        if packet.size or (packet.pts is None and not packet.buffer_ptr):
            yield packet


def fault(error: Exception) -> str:
    """Return the first line of an error of FFmpeg, in lower case, for a message."""
    return (getattr(error, "strerror", None) or str(error)).splitlines()[0].lower()


def pixel_aspect(stream: "VideoStream", name: str | None = None) -> Fraction:
    """Return width by height of a pixel as it is stored, before any rotation.

    An implausible one counts as 1, with a warning if `name`, the file's in messages, is given.
    """
    aspect = stream.sample_aspect_ratio
    if not aspect:
        return Fraction(1)
    if not Fraction(1, _LONGEST_PIXEL) <= aspect <= _LONGEST_PIXEL:
        if name is not None:
            _log.warning("%s has pixels %s times as wide as high by its header: taken as square", name, aspect)
        return Fraction(1)
    return Fraction(aspect.numerator, aspect.denominator)


def stretched(height: int, width: int, aspect: Fraction) -> tuple[int, int]:
    """Return height and width in square pixels. One side grows, none shrinks, so that no line is lost."""
    if aspect >= 1:
        return height, round(width * aspect)
    return round(height / aspect), width
