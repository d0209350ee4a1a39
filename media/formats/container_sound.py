"""Read the sound of a video container, whole or in pieces."""

import logging
import os
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reelm.errors import RequestError
from reelm.media.sound import Sound, fitted, samples_beside, say_length, with_channels

from .container_file import fault, open_container

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

_log = logging.getLogger("reelm")

_NOT_FINITE = "has sound with NaN or infinite samples; give sound whose samples are numbers"


def stream_container_sound(
    path: str | os.PathLike[str], name: str, start: float, sample_rate: int, channels: int
) -> Iterator[NDArray[np.float32]]:
    """Yield the sound [n, C] from second `start` on, piece by piece; see `read.stream_sound`."""
    with open_container(path, name) as container:
        stream = sound_stream(container, name)
        if stream is not None:
            for piece in _sound_pieces(container, stream, name, start, channels, sample_rate):
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
        wanted = samples_beside(frames, fps, sample_rate)
        kept, heard = [np.zeros((0, channels), np.float32)], 0
        for piece in _sound_pieces(container, stream, name, start, channels, sample_rate):
            if heard < wanted:  # counted to the end, but never more in memory than lasts as long as the picture
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
    """Return the first sound stream; None without one, or, with a warning, when it cannot be decoded."""
    if not container.streams.audio:
        return None
    stream = container.streams.audio[0]
    if stream.codec_context is None or not stream.codec_context.sample_rate:
        _log.warning("%s has sound of a kind that cannot be decoded here: it is left out", name)
        return None
    return stream


def sound_kind(stream: "AudioStream") -> tuple[int, int]:
    """Return the sample rate in Hz, and the channels as they are given out: 1 or 2."""
    return stream.codec_context.sample_rate, min(2, stream.codec_context.channels)


def _sound_pieces(
    container: "InputContainer", stream: "AudioStream", name: str, start: float, channels: int, rate: int
) -> Iterator[Sound]:
    """Yield samples [n,C] at `rate`, the first at second `start`: earlier ones are dropped, missing ones are silent."""
    import av
    from av.error import FFmpegError

    own = sound_kind(stream)[1]
    # FFmpeg would mix two channels to one louder than either, and one to two more softly.
    resampler = av.AudioResampler(format="fltp", layout="mono" if own == 1 else "stereo", rate=rate)
    early: int | None = None  # samples before `start` that are still to be dropped
    try:
        for frame in chain(container.decode(stream), [None]):
            if early is None and frame is not None:
                early = 0 if frame.time is None else round((start - frame.time) * rate)
                if early < 0:
                    yield np.broadcast_to(np.float32(0), (-early, channels))  # takes no memory, however long
            for resampled in resampler.resample(frame):
                piece = with_channels(resampled.to_ndarray().T.astype(np.float32, copy=False), channels)
                dropped = min(max(0, early or 0), len(piece))
                early = (early or 0) - dropped
                yield piece[dropped:]
    except (FFmpegError, ValueError) as error:
        raise RequestError(f"{name} has damaged sound ({fault(error)}); repair or re-encode it") from error
