"""A film: what `Clip.open` and `Clip.save` are, a frame at a time, so that memory does not grow with the length.

Animations are the exception: they are held whole, as their formats want it.
"""

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reelm.tokenizer.request import RequestError

from .clip import Clip
from .frames import Frames, of_one_size
from .layout import Layout, of_comment, to_comment
from .media import read_note, read_tracks, stream_sound, stream_video
from .mp4 import write_video
from .pictures import is_picture
from .sound import Sound


class Film(NamedTuple):
    """What a video holds, to be read once."""

    frames: Iterator[Frames]  # uint8 [H,W,3], all of one size
    fps: float
    sound: Iterator[Sound] | None = None  # pieces float32 [n,C] from the first frame on, perhaps of another length
    sample_rate: int | None = None

    def whole_sound(self) -> Sound | None:
        """float32 [S,C], all pieces in one; None when there are none, as of a track without a sample."""
        pieces = [*(self.sound or ())]
        return np.concatenate(pieces) if pieces else None


def open_film(path: str | os.PathLike[str]) -> Film:
    """The frames and the sound that `Clip.open` gives; raises what it raises, whenever the fault is met."""
    layout, _ = of_comment(read_note(path))
    if is_picture(path):
        clip = Clip.open(path)
        return Film(iter(clip.video), clip.fps)
    fps, heard = read_tracks(path)
    frames = of_one_size(repr(os.fspath(path)), stream_video(path))
    first = next(frames, None)
    if first is None:
        raise RequestError(f"{os.fspath(path)!r} holds no frames; give a video of at least one")
    pixels = (frame.pixels for frame in chain([first], frames))
    if layout is not None:
        pixels = (layout.undone(frame[None])[0] for frame in pixels)
    if heard is None:
        return Film(pixels, fps)
    rate, channels = heard
    return Film(pixels, fps, stream_sound(path, start=first.start, sample_rate=rate, channels=channels), rate)


def save_film(path: str | os.PathLike[str], film: Film) -> None:
    """Writes .mp4, .gif, .webp or .png, by the suffix, whole or not at all; raises what `Clip.save` raises."""
    if Path(path).suffix.lower() != ".mp4":
        sound = film.whole_sound()
        Clip(np.stack([*film.frames]), film.fps, sound, None if sound is None else film.sample_rate).save(path)
        return
    first = next(film.frames)
    layout = Layout(height=first.shape[0], width=first.shape[1], scale=1, fps=float(film.fps))
    frames, sound = chain([first], film.frames), {"audio": film.sound, "sample_rate": film.sample_rate}
    write_video(path, frames, fps=film.fps, **sound, comment=to_comment(layout, {}))
