"""Read frames and sound from a video container (mp4, mov, webm, mkv, avi ...) by PyAV.

Pixels come as a viewer sees them: RGB of 8 bits whatever the file holds (10 bits, grey, any colour matrix, a high
dynamic range), turned by the container's rotation flag, transparency over black; interlaced frames are deinterlaced,
pixels that are not square are stretched. Sound comes as float32, more than two channels mixed down to two. Damage is an
error and never a guess: a decoder that conceals a broken frame marks it, and a marked frame is refused.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reelm.errors import RequestError
from reelm.media.limits import MAX_FPS, MAX_PIXELS, MIN_FPS, check_budget, check_size
from reelm.media.pixels import Fit, Frames, Size
from reelm.media.sound import Sound
from reelm.media.timing import TimedFrame, at_size, gather, on_clock, onward
from reelm.media.wide_colour import SAYS_HIGH_RANGE

from .allowed import CODEC_OPTION
from .container_clock import PictureClock, without_clock
from .container_file import (
    default_track,
    fault,
    is_decoded,
    open_container,
    packets,
    picture_tracks,
    pixel_aspect,
    stretched,
)
from .container_sound import read_sound, sound_kind, sound_stream
from .cropping import Cropper, stated_edges
from .frame_pixels import display_matrix, glimpse_of, high_range, pixels_of
from .interlaced import Deinterlacer

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

_log = logging.getLogger("reelm")

# Frames by which the count may differ from a stated rate. The first stated rate that is off by at most _OFF_ENDS is
# taken, or else the nearest one, if it is off by at most _OFF or by a share of _OFF_SHARE, because it was rounded.
_OFF_ENDS, _OFF, _OFF_SHARE = 0.75, 1.5, 0.002
_EVEN_SHARE = 0.75  # of the frames follow each other without a hole in an even rate with holes


def read_container(
    path: str | os.PathLike[str],
    name: str,
    *,
    fps: float | None,
    size: Size | None,
    max_frames: int | None,
    budget_bytes: int,
) -> tuple[Frames, float, Sound | None, int | None]:
    """Return frames uint8 [T,H,W,3], their rate, sound [S,C] and its rate; None, None without sound.

    The arguments are those of `read.read_video`; messages call the file `name`.
    """
    with open_container(path, name) as container:
        stream = _video_stream(container, name)
        rates = _stated_rates(container, stream)
        _check_header(container, stream, name, fps, size, max_frames, budget_bytes)
        clock = _Clock()
        footage = clock.watched(_decoded(container, stream, name, rates[0]))
        if fps is not None:
            footage = on_clock(footage, fps)
        if size is not None:
            footage = at_size(name, footage, *size)
        video, start, _ = gather(name, footage, max_frames, budget_bytes)
    rate = clock.rate(rates) if fps is None else fps
    if fps is None and (shown := clock.filled(rate)) is not None:
        check_budget(name, len(shown[:max_frames]), video.shape[1], video.shape[2], budget_bytes)
        video = video[shown[:max_frames]]
    cut = max_frames is not None and len(video) == max_frames
    sound, sample_rate = read_sound(path, name, start, len(video), rate, cut)
    return video, rate, sound, sample_rate


def stream_container(path: str | os.PathLike[str], name: str, fit: Fit | None) -> Iterator[TimedFrame]:
    """Yield the frames one at a time on the file's own clock; see `read.stream_video`."""
    with open_container(path, name) as container:
        stream = _video_stream(container, name)
        check_size(name, *_seen_size(stream, pixel_aspect(stream)))
        yield from _decoded(container, stream, name, _own_fps(container, stream), fit)


def container_tracks(path: str | os.PathLike[str], name: str) -> tuple[float, float, tuple[int, int] | None]:
    """Return the average frames a second, the seconds in the header, or 0, and the kind of the sound.

    The kind is (sample rate, channels), or None without sound.
    """
    from av import time_base

    with open_container(path, name) as container:
        fps, sound = _own_fps(container, _video_stream(container, name)), sound_stream(container, name)
        return fps, (container.duration or 0) / time_base, None if sound is None else sound_kind(sound)


def container_start(path: str | os.PathLike[str], name: str) -> float | None:
    """Return the second of the file's clock at which its first frame is shown; None if no frame can be read."""
    with contextlib.suppress(RequestError):
        return next((frame.start for frame in stream_container(path, name, None)), None)
    return None


def container_times(path: str | os.PathLike[str], name: str) -> Iterator[float]:
    """Yield the decoding time of each packet of the video, and the end of the last one, in seconds; up to a fault."""
    from av.error import FFmpegError

    with open_container(path, name) as container, contextlib.suppress(FFmpegError):  # decoding will report the fault
        stream, end = _video_stream(container, name), None
        for packet in container.demux(stream):
            ticks = packet.pts if packet.dts is None else packet.dts
            if ticks is not None and packet.time_base is not None:
                yield float(ticks * packet.time_base)
                end = float((ticks + (packet.duration or 0)) * packet.time_base)
        if end is not None:
            yield end


def _video_stream(container: "InputContainer", name: str) -> "VideoStream":
    streams = picture_tracks(container)
    if not streams:
        held = "sound but no video" if container.streams.audio else "no video"
        raise RequestError(f"{name} holds {held}; give a file with a video track")
    stream = default_track(streams)
    if not is_decoded(stream):
        raise RequestError(f"{name} holds a video of a kind that is not read; re-encode it, as H.264 say")
    return stream


def _own_fps(container: "InputContainer", stream: "VideoStream") -> float:
    return _stated_rates(container, stream)[0]


def _stated_rates(container: "InputContainer", stream: "VideoStream") -> list[float]:
    """Return the average rate, then the next best ones, which are used if the container has none."""
    rates = [stream.average_rate, stream.guessed_rate, stream.base_rate]
    # FFmpeg's average is 25 if the format has no times.
    possible = rates[1:] if without_clock(container) else rates
    return [float(rate) for rate in possible if rate and MIN_FPS <= float(rate) <= MAX_FPS] or [25.0]


class _Clock:
    """Records the times of the frames that pass, and finds their rate."""

    def __init__(self) -> None:
        self._starts: list[float] = []
        self._end = 0.0

    def watched(self, frames: Iterator[TimedFrame]) -> Iterator[TimedFrame]:
        for frame in frames:
            self._starts.append(frame.start)
            self._end = frame.end
            yield frame

    def rate(self, stated: list[float]) -> float:
        """Return the first of the `stated` frames a second, or the measured rate if it is far from all of them.

        Frames that are missing from an even rate do not change it.
        """
        frames = len(self._starts)
        if frames < 2:
            return stated[0]
        seconds = self._end - self._starts[0]
        # The rate that Matroska states may not fit frames of uneven times.
        if (even := next(filter(self._missing, stated), None)) is not None:
            return even
        off = {rate: abs(seconds * rate - frames) for rate in stated}
        nearest = min(stated, key=lambda rate: max(_OFF_ENDS, off[rate]))  # the first, if it is as near as ends allow
        if off[nearest] <= max(_OFF, _OFF_SHARE * frames):
            return nearest
        return min(max(frames / seconds, MIN_FPS), MAX_FPS)

    def filled(self, rate: float) -> NDArray[np.intp] | None:
        """Return which frame is shown at each tick of a rate from which frames are missing; None if none is missing."""
        if not self._missing(rate):
            return None
        ticks = np.round((np.array([*self._starts, self._end]) - self._starts[0]) * rate).astype(int)
        return np.repeat(np.arange(len(self._starts)), np.diff(ticks))

    def _missing(self, rate: float) -> bool:
        """Return whether frames lie on an even rate, most of them next to each other, and some are missing."""
        ticks = (np.array(self._starts) - self._starts[0]) * rate
        off, whole = np.abs(ticks - np.round(ticks)), np.diff(np.round(ticks))
        even = whole.size > 0 and whole.min() >= 1 and bool((off < max(0.1, 1.1e-3 * rate)).all())
        return bool(even and whole.sum() - whole.size > _OFF and np.mean(whole == 1) >= _EVEN_SHARE)


def _check_header(
    container: "InputContainer",
    stream: "VideoStream",
    name: str,
    fps: float | None,
    size: Size | None,
    max_frames: int | None,
    budget_bytes: int,
) -> None:
    """Check the sizes in the header, so that a file that is too large is refused before it is decoded."""
    height, width = _seen_size(stream, pixel_aspect(stream))
    check_size(name, height, width)
    frames = stream.frames  # 0 where unknown
    if fps is not None:
        seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
        frames = int(seconds * fps)
    wanted = frames if max_frames is None else min(frames, max_frames)
    check_budget(name, wanted, *(size or (height, width)), budget_bytes)


def _decoded(
    container: "InputContainer", stream: "VideoStream", name: str, fps: float, fit: Fit | None = None
) -> Iterator[TimedFrame]:
    """Yield the frames as they are shown, one after another on one clock."""
    return onward(_as_stored(container, stream, name, fps, fit))


def _as_stored(
    container: "InputContainer", stream: "VideoStream", name: str, fps: float, fit: Fit | None
) -> Iterator[TimedFrame]:
    from av.error import FFmpegError

    decoder, clock = _decoder(stream, name), PictureClock(container, stream, fps)
    deinterlacer, high = Deinterlacer(decoder, container, name), False
    aspect, shown = pixel_aspect(stream, name), Cropper(stated_edges(container, stream), name)
    count = 0
    rotation, matrix = None, None
    try:
        for packet in packets(container, stream):
            clock.sent(packet)
            for frame in deinterlacer.decode(packet):
                if frame.is_corrupt:
                    raise RequestError(f"{name} is damaged at frame {count}; repair or re-encode it")
                frame = shown(frame)
                check_size(name, *stretched(frame.height, frame.width, aspect))
                # PyAV before 19 keeps a frame whose side data was read until the garbage collector runs. If it were
                # read for every frame, a film of large frames would fill the memory.
                if frame.rotation != rotation:
                    rotation, matrix = frame.rotation, display_matrix(frame)
                if not high and (kind := high_range(frame)) is not None:
                    high = True
                    _log.warning(SAYS_HIGH_RANGE, name, kind)
                pixels, glimpse = pixels_of(frame, name, fit, matrix, aspect), glimpse_of(frame, name)
                yield TimedFrame(*clock.shown(frame), pixels, glimpse)
                count += 1
    except FFmpegError as error:
        raise RequestError(f"{name} is damaged after frame {count} ({fault(error)}); repair or re-encode it") from error


def _decoder(stream: "VideoStream", name: str) -> "VideoCodecContext":
    import av
    from av.error import FFmpegError

    decoder = stream.codec_context
    # FFmpeg's own VP8 and VP9 decoders ignore the transparency, which WebM stores apart from the picture.
    if stream.metadata.get("alpha_mode") == "1" and decoder.name in ("vp8", "vp9"):
        better = "libvpx" if decoder.name == "vp8" else "libvpx-vp9"
        if better in av.codecs_available:
            decoder = av.VideoCodecContext.create(better, "r")
    decoder.options = {"max_pixels": str(MAX_PIXELS), **CODEC_OPTION}
    decoder.thread_type = "SLICE"  # with a thread a frame, errors in the last few frames are lost
    try:
        decoder.open()
    except FFmpegError as error:
        raise RequestError(f"{name} cannot be decoded here ({fault(error)}); repair or re-encode it") from error
    return decoder


def _seen_size(stream: "VideoStream", aspect: Fraction) -> tuple[int, int]:
    """Return the height and width in the header, in square pixels."""
    return stretched(stream.codec_context.height, stream.codec_context.width, aspect)
