"""Read and write a video one frame at a time, so that memory does not grow with its length.

Unlike a clip's, its frames have times of their own: phones and screen recorders write frames at uneven times.
Animations are held whole, as their formats need it.
"""

import logging
import os
from collections.abc import Iterator
from itertools import chain, tee
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reelm.errors import RequestError
from reelm.media.formats.animations import write_animation
from reelm.media.formats.mp4 import write_video
from reelm.media.formats.pictures import is_picture

from .clip import Clip
from .file_info import FileLayout, of_comment, to_comment
from .limits import MAX_STILL_SECONDS, Timeline
from .read import packet_times, read_note, read_tracks, stream_sound, stream_video
from .sound import Sound
from .timing import TimedFrame, evenly, from_zero, of_one_size

_log = logging.getLogger("reelm")

_EVEN = 5.1e-3  # seconds that a frame of an even rate may be off: GIF rounds times to a hundredth


class Film(NamedTuple):
    """The frames and the sound of a video; both can be read once."""

    frames: Iterator[TimedFrame]  # all of one size; from second zero on, each shown until the next begins
    fps: float  # on average, by the header
    sound: Iterator[Sound] | None = None  # pieces float32 [n,C] from the first frame on, perhaps of another length
    sample_rate: int | None = None

    def whole_sound(self) -> Sound | None:
        """Return all pieces as one float32 [S,C]; None when there are none, as in a track without a sample."""
        pieces = [*(self.sound or ())]
        return np.concatenate(pieces) if pieces else None


def open_film(path: str | os.PathLike[str], *, sound_as: tuple[int, int] | None = None) -> Film:
    """Open the frames and the sound that `Clip.open` gives; raises the same errors, when the fault is met.

    sound_as: sample rate in Hz and channels (1 or 2) to convert the sound to. Default: the file's own.
    """
    layout, _ = of_comment(read_note(path))
    if is_picture(path):
        clip = Clip.open(path)
        if layout is not None:
            return Film(evenly(clip.video, clip.fps), clip.fps)
        timed = zip(stream_video(path), clip.video, strict=True)
        return Film((TimedFrame(frame.start, frame.end, pixels) for frame, pixels in timed), clip.fps)
    fps, seconds, heard = read_tracks(path)
    if seconds > MAX_STILL_SECONDS:  # checked first: the frames before a long gap may take hours
        timeline = Timeline(repr(os.fspath(path)))
        for each in packet_times(path):
            timeline.check(each)
    frames = of_one_size(repr(os.fspath(path)), stream_video(path))
    first = next(frames, None)
    if first is None:
        raise RequestError(f"{os.fspath(path)!r} holds no frames; give a video of at least one")

    def seen(frame: TimedFrame) -> TimedFrame:
        pixels = frame.pixels if layout is None else layout.undone(frame.pixels[None])[0]
        return TimedFrame(frame.start, frame.end, pixels)

    shown = map(seen, _none_too_long(repr(os.fspath(path)), from_zero(chain([first], frames))))
    if heard is None:
        return Film(shown, fps)
    rate, channels = sound_as or heard
    return Film(shown, fps, stream_sound(path, start=first.start, sample_rate=rate, channels=channels), rate)


def save_film(path: str | os.PathLike[str], film: Film) -> None:
    """Write .mp4, .gif, .webp or .png, by the suffix, whole or not at all; raises what `Clip.save` raises."""
    if Path(path).suffix.lower() != ".mp4":
        _save_animation(path, film)
        return
    first = next(film.frames)
    height, width = first.pixels.shape[:2]
    comment = to_comment(FileLayout(height=height, width=width, scale=1, fps=float(film.fps)), {})
    timed, frames = tee(chain([first], film.frames))
    write_video(
        path,
        (frame.pixels for frame in frames),
        fps=film.fps,
        times=((frame.start, frame.end) for frame in timed),
        audio=film.sound,
        sample_rate=film.sample_rate,
        comment=comment,
    )


def _none_too_long(name: str, frames: Iterator[TimedFrame]) -> Iterator[TimedFrame]:
    """Yield the frames; RequestError at the first that ends too late."""
    timeline = Timeline(name)
    timeline.check(0.0)
    for frame in frames:
        timeline.check(frame.end)
        yield frame


def _save_animation(path: str | os.PathLike[str], film: Film) -> None:
    frames, sound = [*film.frames], film.whole_sound()
    video, seconds = np.stack([frame.pixels for frame in frames]), np.array([frame.start for frame in frames])
    uneven = np.abs(seconds - np.arange(len(frames)) / film.fps).max() > _EVEN
    if Path(path).suffix.lower() == ".png" or not uneven:
        Clip(video, film.fps, sound, None if sound is None else film.sample_rate).save(path)
        return
    if sound is not None:
        _log.warning("%s holds no sound: the film's is left out; save an mp4 to keep it", Path(path).suffix)
    # Without a comment: one would state an even rate, and readers would resample to it.
    write_animation(path, video, seconds=np.append(seconds, frames[-1].end))
