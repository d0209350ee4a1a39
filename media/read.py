"""Read pictures, videos and sound from any file into arrays.

The content of a file decides its kind, not its suffix: GIF, WebP and other pictures go to Pillow (`pictures.py`), all
else to PyAV (`container.py`). A file that cannot be read correctly is refused in one line that names it. Nothing is
resized, guessed or cut silently.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reelm import value_checks
from reelm.errors import RequestError
from reelm.media.formats.container import (
    container_start,
    container_times,
    container_tracks,
    read_container,
    stream_container,
)
from reelm.media.formats.container_file import read_comment
from reelm.media.formats.container_sound import container_sound_kind, stream_container_sound
from reelm.media.formats.pictures import (
    is_picture,
    read_animation,
    read_picture,
    read_picture_comment,
    stream_animation,
)

from .limits import BUDGET_BYTES, MAX_FPS, MIN_FPS
from .pixels import Fit, Frames, Size, fit
from .sound import Recording, Sound
from .timing import TimedFrame
from .untrusted import UntrustedFile


class Footage(NamedTuple):
    """The content of a video file."""

    video: Frames  # uint8 [T,H,W,3]
    fps: float
    audio: Sound | None  # float32 [S,C], C = 1 or 2, S = round(T * sample_rate / fps)
    sample_rate: int | None


def read_video(
    path: str | os.PathLike[str],
    *,
    fps: float | None = None,
    size: Size | None = None,
    max_frames: int | None = None,
    budget_bytes: int = BUDGET_BYTES,
) -> Footage:
    """Read a video, an animation or a picture (one frame).

    Args:
        path: Whatever PyAV or Pillow read.
        fps: Rate to resample to by the timestamps: frame j is what is seen at j / fps seconds. None takes the frames
            as they come, at their average rate.
        size: Height and width to scale each frame to: it covers them, and is cropped to its centre. Only one frame is
            in memory at its own size. None leaves frames as they are.
        max_frames: Stops after so many frames; sound is cut to them.
        budget_bytes: The most that the decoded frames may take together.

    Returns:
        `Footage`; its sound begins with its first frame and lasts exactly as long as the frames: it is cut, or padded
        with silence. The log `reelm` says so when it is more than a tenth of a second.

    Raises:
        RequestError: No such file; not a video; damaged; no video track; no frames; frames that change their size or
            exceed 64 megapixels; more frames than `budget_bytes` hold.
    """
    if fps is not None:
        value_checks.within("fps", fps, MIN_FPS, MAX_FPS)
    if max_frames is not None:
        value_checks.within("max_frames", max_frames, 1)
    name = _existing(path)
    if isinstance(path, UntrustedFile):
        return Footage(*path.read_video(fps, size, max_frames))
    read = read_animation if is_picture(path) else read_container
    return Footage(*read(path, name, fps=fps, size=size, max_frames=max_frames, budget_bytes=budget_bytes))


def stream_video(
    path: str | os.PathLike[str], *, fit: Fit | None = None, name: str | None = None
) -> Iterator[TimedFrame]:
    """Yield the frames of a video, an animation or a picture one at a time, on the file's own clock.

    Args:
        path: Whatever PyAV or Pillow read.
        fit: Called with the height and width of each frame as it is seen, returns those to scale it to. Only one frame
            is in memory at its own size. None leaves frames as they are.
        name: How messages call the file; None takes its path.

    Raises:
        RequestError: as `read_video`, whenever the fault is met; sizes that change are left to `fit`.
    """
    name = _existing(path, name)
    return (stream_animation if is_picture(path) else stream_container)(path, name, fit)


def read_tracks(path: str | os.PathLike[str]) -> tuple[float, float, tuple[int, int] | None]:
    """Return from a video's header its frames a second, its seconds, and the sample rate and channels of its sound.

    Seconds are 0 if the header has none. There are 1 or 2 channels.
    """
    return container_tracks(path, _existing(path))


def packet_times(path: str | os.PathLike[str]) -> Iterator[float]:
    """Yield the seconds at which each frame of a video begins, in the order of the file; none is decoded."""
    return container_times(path, _existing(path))


def read_sound(
    path: str | os.PathLike[str],
    *,
    sample_rate: int | None = None,
    channels: int | None = None,
    budget_bytes: int = BUDGET_BYTES,
) -> Recording:
    """Return the sound of a wav, flac, mp3 or ogg file, of a video, or of whatever else PyAV reads.

    Args:
        path: of the file.
        sample_rate, channels: to convert it to, in Hz, 1 or 2. None leaves them, but more channels become 2.
        budget_bytes: The most that the samples may take.

    Returns:
        The sound from the first frame of a video on, or else from where the sound begins.

    Raises:
        RequestError: No such file; no sound; damaged; NaN or infinite samples; longer than `budget_bytes` hold.
    """
    name = _existing(path)
    if isinstance(path, UntrustedFile):
        return Recording(*path.read_sound(sample_rate, channels))
    kind = None if is_picture(path) else container_sound_kind(path, name)
    if kind is None:
        raise RequestError(f"{name} has no sound; give a file with a sound track")
    rate, channels = sample_rate or kind[0], channels or kind[1]
    pieces, most = [np.zeros((0, channels), np.float32)], budget_bytes // (4 * channels)
    left = most
    for piece in stream_sound(path, start=container_start(path, name), sample_rate=rate, channels=channels):
        pieces.append(piece)
        left -= len(piece)
        if left < 0:
            raise RequestError(f"the sound of {name} is longer than {most / rate:.0f} s; cut it first")
    if left == most:
        raise RequestError(f"{name} has no sound; give a file with a sound track")
    return Recording(np.clip(np.concatenate(pieces), -1, 1), rate)


def stream_sound(
    path: str | os.PathLike[str], *, start: float | None, sample_rate: int, channels: int = 1, name: str | None = None
) -> Iterator[Sound]:
    """Yield the sound of a file as pieces float32 [n, C], mixed down to one channel or doubled; nothing without sound.

    The first sample is heard at second `start` of the file's clock, which is the clock of `TimedFrame`: earlier sound
    is dropped, and a late beginning and holes are filled with silence. None begins where the sound does. Raises
    RequestError when the sound is damaged.
    """
    name = _existing(path, name)
    return iter(()) if is_picture(path) else stream_container_sound(path, name, start, sample_rate, channels)


def read_image(path: str | os.PathLike[str], *, size: Size | None = None) -> Frames:
    """Read a picture, or the first frame of an animation, as uint8 [H,W,3]: upright, transparency over black.

    With `size`, a height and a width, it is scaled to cover them and cropped to its centre.

    Raises:
        RequestError: No such file; not a picture; damaged; more than 64 megapixels.
    """
    name = _existing(path)
    if isinstance(path, UntrustedFile):
        return path.read_image(size)
    picture = read_picture(path, name)
    return picture if size is None else fit(picture, *size)


def read_note(path: str | os.PathLike[str]) -> str | None:
    """Return the comment in a file's metadata, where `Clip.save` stores a clip's `info`; None without one."""
    name = _existing(path)
    if isinstance(path, UntrustedFile):
        return path.read_note()
    return read_picture_comment(path, name) if is_picture(path) else read_comment(path, name)


def _existing(path: str | os.PathLike[str], name: str | None = None) -> str:
    """Check that the file exists and can be read; return its name for messages, always on one line."""
    path = value_checks.path("the file", path)
    name = repr(path if name is None else name)
    try:
        exists, is_file = os.path.exists(path), os.path.isfile(path)
    except ValueError:  # a NUL in the name
        exists = is_file = False
    if not exists:
        raise RequestError(f"{name} does not exist; give the path of a file")
    if not is_file:
        raise RequestError(f"{name} is not a regular file; give the path of a file")
    if not os.access(path, os.R_OK):
        raise RequestError(f"{name} may not be read by this user; change its permissions")
    if Path(path).stat().st_size == 0:
        raise RequestError(f"{name} is empty; give a video or a picture")
    return name
