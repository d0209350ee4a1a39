"""Read the sound of a video container, whole or in pieces, each at its time.

Holes in the sound become silence, overlaps are cut, and sound that changes its channels or its rate is converted to
those it began with. The log `reelm` says what is guessed or left out.
"""

import logging
import math
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reelm.errors import RequestError
from reelm.media.limits import MAX_SECONDS
from reelm.media.sound import Mixer, Sound, fitted, samples_for, say_length, with_channels
from reelm.media.timing import SLIP

from .container_clock import Join, counts_sound, joins
from .container_file import default_track, fault, is_decoded, open_container, packets

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

_log = logging.getLogger("reelm")

_NOT_FINITE = "has sound with NaN or infinite samples; give sound whose samples are numbers"
_APART = 0.035  # seconds by which sound may be off its time before it is moved; containers round times, and guess some
_LOGGED = 0.1  # seconds of silence or of cut sound from which on the log says so


def container_sound_kind(path: str | os.PathLike[str], name: str) -> tuple[int, int] | None:
    """Return the sample rate in Hz and the channels, 1 or 2, of a file's sound; None without sound."""
    with open_container(path, name) as container:
        stream = sound_stream(container, name)
        return None if stream is None else sound_kind(stream)


def stream_container_sound(
    path: str | os.PathLike[str], name: str, start: float | None, sample_rate: int, channels: int
) -> Iterator[NDArray[np.float32]]:
    """Yield the sound [n, C] from second `start` on, piece by piece; see `read.stream_sound`."""
    with open_container(path, name) as container:
        stream = sound_stream(container, name)
        if stream is not None:
            for piece in _sound_pieces(path, container, stream, name, start, channels, sample_rate):
                if not np.isfinite(piece).all():
                    raise RequestError(f"{name} {_NOT_FINITE}")
                yield piece


def read_sound(
    path: str | os.PathLike[str], name: str, start: float, frames: int, fps: float, cut: bool
) -> tuple[Sound | None, int | None]:
    """Return (sound [S,C], sample rate) from second `start` on, as long as `frames` frames; (None, None) without sound.

    Args:
        path, name: of the file; messages call it `name`.
        start: second of the file's clock at which the first frame is shown.
        frames, fps: length of the picture.
        cut: whether the frames are only the beginning of the file's; then longer sound needs no warning.
    """
    with open_container(path, name) as container:
        stream = sound_stream(container, name)
        if stream is None:
            return None, None
        sample_rate, channels = sound_kind(stream)
        wanted = samples_for(frames, fps, sample_rate)
        kept, heard = [np.zeros((0, channels), np.float32)], 0
        for piece in _sound_pieces(path, container, stream, name, start, channels, sample_rate):
            if heard < wanted:  # all samples are counted, but only as many as the picture lasts are kept
                kept.append(piece[: wanted - heard])
            heard += len(piece)
            if cut and heard >= wanted:
                break
    if not (cut and heard >= wanted):
        say_length(wanted - heard, sample_rate)
    sound = fitted(np.concatenate(kept), wanted)
    if not np.isfinite(sound).all():
        raise RequestError(f"{name} {_NOT_FINITE}")
    return sound, sample_rate


def sound_stream(container: "InputContainer", name: str) -> "AudioStream | None":
    """Return the default sound stream; None without one, or, with a warning, when it cannot be decoded."""
    if not container.streams.audio:
        return None
    stream = default_track(container.streams.audio)
    if not is_decoded(stream) or not stream.codec_context.sample_rate:
        _log.warning("%s has sound of a kind that is not read: it is left out", name)
        return None
    return stream


def sound_kind(stream: "AudioStream") -> tuple[int, int]:
    """Return the sample rate in Hz, and the channels as they are given out: 1 or 2."""
    return stream.codec_context.sample_rate, min(2, stream.codec_context.channels)


def _sound_pieces(
    path: str | os.PathLike[str],
    container: "InputContainer",
    stream: "AudioStream",
    name: str,
    start: float | None,
    channels: int,
    rate: int,
) -> Iterator[Sound]:
    """Yield samples [n,C] at `rate`, the first at second `start`: earlier ones are dropped, missing ones are silent.

    Without `start`, they begin with the first sample of the file.
    """
    from av.error import FFmpegError

    joined = joins(path, name, container, stream)
    line, mixer, resampler = _Line(channels, rate), Mixer(name), None
    own = sound_kind(stream)[1]

    def heard(pieces: list[Sound]) -> Iterator[Sound]:
        for piece in pieces:
            yield from line.placed(mixer(with_channels(piece, own), channels))

    try:
        for frame, seconds, until in _placed(container, stream, name, start, joined):
            if seconds is not None:
                if resampler is not None:
                    yield from heard(resampler(None))
                resampler = _Resampler(rate, name)
                start = seconds if start is None else start
                line.move(seconds - start, until - start)
            assert resampler is not None
            yield from heard(resampler(frame))
        if resampler is not None:
            yield from heard(resampler(None))
    except (FFmpegError, ValueError) as error:
        raise RequestError(f"{name} has damaged sound ({fault(error)}); repair or re-encode it") from error
    line.say(name)


class _Placed(NamedTuple):
    """A decoded piece of sound, and where its run of consecutive pieces begins and must end."""

    frame: "AudioFrame"
    seconds: float | None  # None: it goes on where the one before ended
    until: float  # second at which another recording begins


def _placed(
    container: "InputContainer", stream: "AudioStream", name: str, start: float | None, joined: list[Join]
) -> Iterator[_Placed]:
    """Yield the frames of the sound; each run of them has one layout and rate, and no hole."""
    expected = first = shift = 0.0
    kind: tuple[str, int] | None = None
    changed = False
    counted, coming = counts_sound(container), iter(joined)
    join = next(coming, None)
    for packet in packets(container, stream):
        for frame in packet.decode():
            begins = False
            seconds = None if frame.time is None else frame.time + shift
            if kind is None:
                shift = _late(container, stream, packet, start)
                expected = first = (start or 0.0) if seconds is None else seconds + shift
                begins = True
            elif seconds is not None and not counted:
                if seconds < expected - SLIP:
                    shift += expected - seconds if join is None else join.shift - shift
                    join, seconds = next(coming, None), (frame.time or 0.0) + shift
                    begins = True
                if begins or abs(seconds - expected) > _APART:
                    expected, begins = seconds, True
            found = frame.layout.name, frame.sample_rate
            if kind is not None and found != kind:
                begins = True
                if not changed:
                    message = "%s changes its sound from %s at %d Hz to %s at %d Hz: it goes on as it began"
                    _log.warning(message, name, *kind, *found)
                changed = True
            kind = found
            if not expected - first <= MAX_SECONDS:
                raise RequestError(f"the sound of {name} lasts {(expected - first) / 86400:.0f} days; cut it first")
            yield _Placed(frame, expected if begins else None, math.inf if join is None else join.begins)
            expected += frame.samples / frame.sample_rate


def _late(container: "InputContainer", stream: "AudioStream", packet: "Packet", start: float | None) -> float:
    """Return the seconds by which all sound is stored too early.

    FFmpeg before 5 wrote Opus into Matroska with its delay taken off twice: the picture begins late by the delay.
    """
    if not start or packet.pts is None or packet.pts >= 0 or stream.codec_context.name not in ("opus", "libopus"):
        return 0.0
    matroska = container.format.name.startswith("matroska")
    return start if matroska and abs(start + float(packet.pts * packet.time_base)) < 1.5e-3 else 0.0


class _Line:
    """Places pieces of sound on one timeline: fills holes with silence and cuts overlaps.

    FFmpeg's `aresample=async=1` places them as exactly, but holds the silence in memory: 768 MiB for a hole of half an
    hour in mono at 48 kHz, and a file of a few kilobytes can ask for days.
    """

    def __init__(self, channels: int, rate: int) -> None:
        self._channels, self._rate = channels, rate
        self._yielded = self._at = self._silent = self._cut = 0  # samples so far, and where the next one belongs
        self._until = sys.maxsize

    def move(self, seconds: float, until: float) -> None:
        """Go on at second `seconds`, and up to `until`."""
        self._at = round(seconds * self._rate)
        self._until = round(until * self._rate) if math.isfinite(until) else sys.maxsize

    def placed(self, piece: Sound) -> Iterator[Sound]:
        """Yield a piece [n,C] that follows the one before, after the silence between them."""
        begin, end = min(self._at, self._until), min(self._at + len(piece), self._until)
        within = self._yielded > 0
        if begin > self._yielded:
            self._silent += begin - self._yielded if within else 0
            yield np.broadcast_to(np.float32(0), (begin - self._yielded, self._channels))  # takes no memory
            self._yielded = begin
        kept = piece[self._yielded - begin : max(self._yielded, end) - begin]
        self._cut += len(piece) - len(kept) if within else 0
        self._at += len(piece)
        self._yielded += len(kept)
        yield kept

    def say(self, name: str) -> None:
        """Log how much is silent and how much is left out."""
        if (seconds := self._silent / self._rate) >= _LOGGED:
            _log.warning("%s has holes in its sound: %.2f s of silence are put in", name, seconds)
        if (seconds := self._cut / self._rate) >= _LOGGED:
            _log.warning("%s has sound that lasts into what follows it: %.2f s are cut", name, seconds)


class _Resampler:
    """Resamples frames of one layout and rate to pieces [n,C], C = 1 for one channel and 2 for more."""

    def __init__(self, rate: int, name: str) -> None:
        self._rate, self._name = rate, name
        self._resampler: AudioResampler | None = None
        self._mean = False

    def __call__(self, frame: "AudioFrame | None") -> list[Sound]:
        """Return the pieces that are ready; None flushes the rest."""
        from av import AudioResampler
        from av.error import FFmpegError

        if self._resampler is None:
            channels = 0 if frame is None else frame.layout.nb_channels
            # FFmpeg would mix two channels to one louder than either, and one to two more softly.
            layout = "mono" if channels == 1 else "stereo"
            self._resampler = AudioResampler(format="fltp", layout=layout, rate=self._rate)
            try:
                return self._resampled(frame)
            except FFmpegError:
                if channels <= 2:
                    raise
            _log.warning("%s has %d channels that have no places: their mean is heard", self._name, channels)
            self._mean, self._resampler = True, AudioResampler(format="fltp", layout="mono", rate=self._rate)
        return self._resampled(frame)

    def _resampled(self, frame: "AudioFrame | None") -> list[Sound]:
        assert self._resampler is not None
        mixed = _mean(frame) if self._mean and frame is not None else frame
        return [each.to_ndarray().T.astype(np.float32, copy=False) for each in self._resampler.resample(mixed)]


def _mean(frame: "AudioFrame") -> "AudioFrame":
    from av import AudioFrame

    array = frame.to_ndarray()
    samples = array if frame.format.is_planar else array.reshape(-1, frame.layout.nb_channels).T
    mean = samples.mean(0, dtype=np.float64)
    if array.dtype.kind in "iu":
        half = 2.0 ** (8 * array.itemsize - 1)
        mean = (mean - half * (array.dtype.kind == "u")) / half
    mono = AudioFrame.from_ndarray(mean[None].astype(np.float32), format="fltp", layout="mono")
    mono.sample_rate, mono.pts, mono.time_base = frame.sample_rate, frame.pts, frame.time_base
    return mono
