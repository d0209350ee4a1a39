"""Write frames and sound to an mp4 that browsers, QuickTime and phones play: H.264 in 4:2:0, and AAC.

4:2:0 keeps one colour sample for four pixels. It needs even sides, so an odd last row or column is doubled inside the
file (`Clip.open` takes it away), and it softens the colour edges of very small pictures, which `scale` prevents: every
pixel becomes a block of scale x scale. Colours are tagged as BT.601, which is also what readers without regard for
tags take small pictures for. Timestamps begin at zero and there are no B-frames, so nothing depends on edit lists.
"""

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import chain, count
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from reelm.errors import RequestError
from reelm.media.file_info import finished
from reelm.media.limits import MAX_FPS, MIN_FPS, check_scale
from reelm.media.pixels import Frames, blocks
from reelm.media.sound import Sound, check_track, fitted, say_length
from reelm.value_checks import within

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


# x264's scale of quality: 1 is nearly lossless, and 18 can hardly be told from it. The clips made here are small: at 12
# a second of 64x64 takes a few kilobytes, and the codec loses less than the colour sampling does.
DEFAULT_CRF = 12.0

MAX_SIDE = 16384  # x264's own bound

# Ticks a second, or a little more, for frames with their own times: coarse enough to make a rate even again that a file
# stored in whole milliseconds, and fine enough for pictures to match the sound.
_TICKS = 500

# The rates of AAC that players accept.
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)

# The codes of ITU-T H.273, as FFmpeg takes them.
_PRIMARIES_BT709, _TRANSFER_BT709, _MATRIX_BT601, _RANGE_LIMITED = 1, 1, 6, 1


def write_video(
    path: str | os.PathLike[str],
    frames: Iterable[Frames],
    *,
    fps: float,
    times: Iterable[tuple[float, float]] | None = None,
    audio: Sound | Iterator[Sound] | None = None,
    sample_rate: int | None = None,
    comment: str = "",
    crf: float = DEFAULT_CRF,
    scale: int = 1,
) -> None:
    """Write an mp4, whole or not at all.

    Args:
        frames: uint8 [T,H,W,3], or any iterable of frames [H,W,3] of one size, of which one is held at a time.
        fps: Stored as the nearest fraction with a denominator up to 1001, exact for 30000/1001.
        times: Seconds from which to which each frame is shown, from zero on, each beginning after the one before; kept
            to 1 ms. None shows all equally long.
        audio: float32 [S,C], C = 1 or 2, or an iterator of such pieces, of which a few are held at a time; values
            beyond [-1,1] are clipped. It is cut, or padded with silence, to the length of the pictures. The log `reelm`
            says so when it is more than a tenth of a second.
        sample_rate: Of `audio`, in Hz; stored resampled to the next higher of `AAC_RATES` (or the highest).
        comment: Text for the container's metadata.
        crf: Quality, 1 (best) to 51 (worst).
        scale: Side of the block that each pixel becomes.

    Raises:
        RequestError: A value out of its range; no frames; frames of several sizes; a path that cannot be written.
        OSError: The disk is full.
    """
    import av

    check(fps, crf, scale)
    pieces = audio if isinstance(audio, Iterator) else iter(() if audio is None else (audio,))
    heard = next(pieces, None)
    if heard is not None:
        check_track(heard, sample_rate)
    iterator = iter(frames)
    first = _first(iterator)
    # The index goes first in the file, so that a browser plays before it has all of it.
    options = {"movflags": "+faststart"}
    with finished(path) as temporary, av.open(os.fspath(temporary), "w", format="mp4", options=options) as container:
        container.metadata["comment"] = comment
        rate = Fraction(fps).limit_denominator(1001)
        tick = 1 / rate if times is None else 1 / (rate * math.ceil(_TICKS / rate))
        track = PictureTrack(container, first, rate, tick, crf, scale)
        sound = None
        if heard is not None and sample_rate is not None:
            sound = SoundTrack(container, chain([heard], pieces), heard.shape[1], sample_rate)
        shown = ((i / rate, (i + 1) / rate) for i in count()) if times is None else times
        for frame, (start, end) in zip(chain([first], iterator), shown, strict=False):
            track.write(frame, start, end)
            if sound is not None:
                sound.write_until(float(end))
        track.finish()
        if sound is not None:
            sound.finish()


def _first(frames: Iterator[Frames]) -> Frames:
    """Return the first frame; RequestError if there is none, or if it is something else."""
    first = next(frames, None)
    if first is None:
        raise RequestError("there are no frames to write; a video has at least one")
    if first.dtype != np.uint8 or first.ndim != 3 or first.shape[2] != 3:
        raise RequestError(f"frames are {first.dtype} of shape {first.shape}; they must be uint8 [height, width, 3]")
    return first


def check(fps: float, crf: float, scale: int) -> None:
    """Check frame rate, quality and scale; RequestError if one is out of its range."""
    within("fps", fps, MIN_FPS, MAX_FPS)
    if not 1 <= crf <= 51:
        raise RequestError(f"crf is {crf}; it must lie between 1 (best) and 51 (smallest file)")
    check_scale(scale)


class PictureTrack:
    """The video track of a file being written, whose frames all have the size of `first`.

    Args:
        container: the file.
        first: the first frame, or one of its size.
        rate: frames a second, for the header.
        tick: seconds of a tick, the unit of times in the file.
        crf, scale: see `write_video`.
        options: more of x264's.
    """

    def __init__(
        self,
        container: "OutputContainer",
        first: Frames,
        rate: Fraction,
        tick: Fraction,
        crf: float,
        scale: int,
        options: Mapping[str, str] = MappingProxyType({}),
    ):
        self._container, self._shape, self._tick, self._scale = container, first.shape, tick, scale
        self._count, self._at = 0, -1  # frames, and the tick of the newest one
        self._durations: dict[int | None, int] = {}  # of frames that x264 holds
        height, width = (side * scale + side * scale % 2 for side in first.shape[:2])
        if max(height, width) > MAX_SIDE:
            raise RequestError(f"a picture of {width}x{height} is too large for H.264; at most {MAX_SIDE} a side")
        # No macroblock tree: x264's SIMD code for it reads past its rows. Small pictures would differ from run to run.
        options = {"crf": str(crf), "bf": "0", "mbtree": "0", **options}
        self._stream: VideoStream = container.add_stream("libx264", rate=rate, options=options)
        self._stream.height, self._stream.width, self._stream.pix_fmt = height, width, "yuv420p"
        context = self._stream.codec_context
        context.time_base = tick
        context.color_primaries, context.color_trc = _PRIMARIES_BT709, _TRANSFER_BT709
        context.colorspace, context.color_range = _MATRIX_BT601, _RANGE_LIMITED

    def write(self, frame: Frames, start: float | Fraction, end: float | Fraction) -> None:
        """Write a frame that is shown from `start` to `end`, in seconds."""
        if frame.shape != self._shape:
            raise RequestError(
                f"frame {self._count} has the shape {frame.shape}, the first {self._shape}; give one size"
            )
        self._count += 1
        self._at = max(self._at + 1, round(Fraction(start) / self._tick))
        self._durations[self._at] = max(1, round(Fraction(end) / self._tick) - self._at)
        self._mux(self._stream.encode(self._picture(frame)))

    def finish(self) -> None:
        self._mux(self._stream.encode(None))

    def _mux(self, packets: "list[Packet]") -> None:
        for packet in packets:  # x264 drops durations, and that of the last frame follows from no other
            packet.duration = self._durations.pop(packet.pts)
        self._container.mux(packets)

    def _picture(self, frame: Frames) -> "VideoFrame":
        from av import VideoFrame
        from av.video.reformatter import ColorRange, Colorspace, Interpolation

        enlarged = blocks(frame, self._scale)
        height, width, _ = enlarged.shape
        even = np.pad(enlarged, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        picture = VideoFrame.from_ndarray(even, format="rgb24").reformat(
            format="yuv420p",
            dst_colorspace=Colorspace.ITU601,
            dst_color_range=ColorRange.MPEG,
            interpolation=Interpolation.AREA,  # each colour sample is the mean of its four pixels
        )
        picture.pts, picture.time_base = self._at, self._tick
        return picture


class SoundTrack:
    """The sound track of a file being written, interleaved with the frames."""

    def __init__(self, container: "OutputContainer", pieces: Iterator[Sound], channels: int, sample_rate: int) -> None:
        self._container, self._pieces, self._rate = container, pieces, sample_rate
        self._held = np.zeros((0, channels), np.float32)  # read and not yet written
        self._written, self._missing = 0, 0
        stored_rate = next((rate for rate in AAC_RATES if rate >= sample_rate), AAC_RATES[-1])
        self._layout = "mono" if channels == 1 else "stereo"
        self._stream: AudioStream = container.add_stream("aac", rate=stored_rate, layout=self._layout)
        self._stream.bit_rate = channels * min(4 * stored_rate, 128_000)

    def write_until(self, seconds: float) -> None:
        """Write the samples up to `seconds`, and silence where they are missing."""
        end = round(seconds * self._rate)
        while self._written < end:  # a second at a time: a picture may be shown for long
            self._write(min(self._rate, end - self._written))

    def _write(self, wanted: int) -> None:
        while len(self._held) < wanted and (piece := next(self._pieces, None)) is not None:
            check_track(piece, self._rate)
            self._held = np.concatenate([self._held, piece]) if len(self._held) else piece
        self._missing += max(0, wanted - len(self._held))
        sound = np.clip(fitted(self._held[:wanted], wanted), -1, 1)
        self._held = self._held[wanted:]
        self._container.mux(self._stream.encode(self._frame(sound)))
        self._written += wanted

    def finish(self) -> None:
        left = len(self._held) + sum(map(len, self._pieces))
        say_length(self._missing - left, self._rate)
        self._container.mux(self._stream.encode(None))

    def _frame(self, piece: Sound) -> "AudioFrame":
        from av import AudioFrame

        frame = AudioFrame.from_ndarray(np.ascontiguousarray(piece.T), format="fltp", layout=self._layout)
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._written, Fraction(1, self._rate)
        return frame
