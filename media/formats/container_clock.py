"""Times of the frames of a container, and of its sound where the file's clock goes back, in seconds.

In: packets and frames of PyAV. Out: when each frame is shown, and how far to shift the sound after the clock went back,
as it does between joined recordings. Knows nothing of pixels and samples.
"""

import os
from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from reelm.media.timing import SLIP

from .container_file import default_track, open_container, picture_tracks

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_NO_TIMESTAMPS, _MAY_GO_BACK = 0x80, 0x200  # AVFMT_NOTIMESTAMPS, AVFMT_TS_DISCONT: flags of FFmpeg's formats
_MOST_WAITING = 32  # more frames than any decoder holds back
_SAME = 1e-6  # seconds
_GUESSED = {"h264", "hevc"}  # decoders of codecs whose packets FFmpeg puts together, and guesses times for


def without_clock(container: "InputContainer") -> bool:
    """Return whether the format holds no times, so that its rate is that of the codec (raw H.264, say)."""
    return bool(int(container.format.flags) & _NO_TIMESTAMPS)


def counts_sound(container: "InputContainer") -> bool:
    """Return whether the sound has no times but its count of samples, as in AVI."""
    return container.format.name == "avi"


class PictureClock:
    """Tells when each frame is shown. Call `sent` with each packet before decoding, `shown` with each frame after.

    AVI and ASF store when frames are decoded, not when they are shown. Frames come out of the decoder in the order in
    which they are shown. The first one comes out with a later packet than its own, and takes the time of that packet.
    The next frame takes the next time, and so on. Earlier times are made up, and may be crowded.
    """

    def __init__(self, container: "InputContainer", stream: "VideoStream", fps: float) -> None:
        self._counted = container.format.name == "avi"  # picture and sound from zero
        # For H.264 without B-frames, FFmpeg guesses times that are one packet late.
        guessed = self._counted and (stream.codec_context.has_b_frames or stream.codec_context.name in _GUESSED)
        self._by_decoding = container.format.name == "asf" or guessed  # ASF stores it for every frame
        self._step, self._end = 1 / fps, 0.0
        self._times: list[float] = []  # of decoding, not yet given to a frame; a heap
        self._delay: float | None = None  # from decoding to showing

    def sent(self, packet: "Packet") -> None:
        """Record the decoding time of a packet."""
        if self._by_decoding and packet.dts is not None and packet.time_base is not None and packet.size:
            heappush(self._times, float(packet.dts * packet.time_base))
            if len(self._times) > _MOST_WAITING:  # some packets give no frame
                heappop(self._times)

    def shown(self, frame: "VideoFrame") -> tuple[float, float]:
        """Return the seconds from and to which a frame is shown; one without a time follows the frame before."""
        start = self._decoding(frame) if self._by_decoding else frame.time
        start = self._end if start is None else start
        base, lasts = frame.time_base, frame.duration
        self._end = start + (float(lasts * base) if lasts and base else self._step)
        return start, self._end

    def _decoding(self, frame: "VideoFrame") -> float | None:
        if self._delay is None and self._times:
            begun, at, base = self._times[0], frame.dts, frame.time_base
            shown = begun if at is None or base is None else float(at * base)
            while len(self._times) > 1 and self._times[0] < shown - _SAME:
                heappop(self._times)
            self._delay = begun - self._times[0] if self._counted else 0.0
        return heappop(self._times) + (self._delay or 0.0) if self._times else None


class Join(NamedTuple):
    """A point where the clock of a file goes back, because another recording begins."""

    shift: float  # seconds to add to the file's clock from here on
    begins: float  # second of the one clock at which the picture of the new recording begins


def joins(path: str | os.PathLike[str], name: str, container: "InputContainer", sound: "AudioStream") -> list[Join]:
    """Return, for each time that the clock of the sound goes back, the join of the picture that belongs to it.

    Packets are read and none is decoded. Empty where the format has one clock throughout, or the picture does not
    go back.
    """
    from av.error import FFmpegError

    tracks = picture_tracks(container)
    if not tracks or not int(container.format.flags) & _MAY_GO_BACK:
        return []
    picture = default_track(tracks)
    pictures, sounds = _PictureParts(), _Back()
    with open_container(path, name) as again:
        try:
            both = again.streams[picture.index], again.streams[sound.index]
            for number, packet in enumerate(again.demux(*both)):
                ticks = packet.pts if packet.dts is None else packet.dts
                if ticks is None or packet.time_base is None:
                    continue
                if packet.stream_index == picture.index:
                    pictures.add(number, packet, float(ticks * packet.time_base))
                else:
                    sounds.add(number, float(ticks * packet.time_base))
        except FFmpegError:
            pass  # decoding will report the fault
    return _matched(sounds.places, pictures.joins())


class _Back:
    """The numbers of the packets at which times go back."""

    def __init__(self) -> None:
        self.places: list[int] = []
        self._last: float | None = None

    def add(self, number: int, seconds: float) -> bool:
        back = self._last is not None and seconds < self._last - SLIP
        if back:
            self.places.append(number)
        self._last = seconds
        return back


class _PictureParts:
    """The parts of a picture between which its clock goes back: when each begins and ends on that clock."""

    def __init__(self) -> None:
        self._back = _Back()
        self._spans: list[tuple[float, float]] = []

    def add(self, number: int, packet: "Packet", decoded: float) -> None:
        shown = decoded if packet.pts is None else float(packet.pts * packet.time_base)
        end = shown + float((packet.duration or 0) * packet.time_base)
        if self._back.add(number, decoded) or not self._spans:
            self._spans.append((shown, end))
        else:
            begun, ended = self._spans[-1]
            self._spans[-1] = min(begun, shown), max(ended, end)

    def joins(self) -> list[tuple[int, Join]]:
        """Return each join with the number of its packet."""
        found, shift = [], 0.0
        spans = zip(self._spans[:-1], self._spans[1:], strict=True)
        for number, ((_, ended), (begun, _)) in zip(self._back.places, spans, strict=True):
            ended += shift
            shift = ended - begun
            found.append((number, Join(shift, ended)))
        return found


def _matched(places: list[int], found: list[tuple[int, Join]]) -> list[Join]:
    """Return for each place the nearest join, none of them before that of the place before."""
    matched, first = [], 0
    for place in places if found else []:
        first = min(range(first, len(found)), key=lambda index: abs(found[index][0] - place))
        matched.append(found[first][1])
    return matched
