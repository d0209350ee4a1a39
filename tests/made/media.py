"""Videos made for tests, by PyAV directly, and what is to be read of them."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from reelm.errors import RequestError
from reelm.media.clip import Clip
from reelm.media.formats.mp4 import write_video
from reelm.media.read import read_video

RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)


def quarters(height=64, width=96):
    """A picture whose every turn and flip looks different: red, green above blue, yellow."""
    picture = np.zeros((height, width, 3), np.uint8)
    middle, centre = height // 2, width // 2
    picture[:middle, :centre], picture[:middle, centre:] = RED, GREEN
    picture[middle:, :centre], picture[middle:, centre:] = BLUE, YELLOW
    return picture


def greys(count, height=32, width=48):
    """Frame i is one grey of level 8 i."""
    return np.broadcast_to((8 * np.arange(count, dtype=np.uint8))[:, None, None, None], (count, height, width, 3))


def levels(video):
    """The inverse of `greys`."""
    return np.round(video.mean(axis=(1, 2, 3)) / 8).astype(int).tolist()


def tone(seconds, rate, channels=1, start=0.0):
    """A 440 Hz sine; the second channel is silent."""
    samples = 0.5 * np.sin(2 * np.pi * 440 * (start + np.arange(round(seconds * rate)) / rate))
    return np.stack([samples, 0 * samples][:channels], -1).astype(np.float32)


def moving(frames=9, height=64, width=64, colour=(255, 0, 0)):
    """A soft-edged disc that moves right by two pixels a frame, on black."""
    rows, columns = np.mgrid[:height, :width]
    video = np.zeros((frames, height, width, 3), np.uint8)
    for index in range(frames):
        distance = np.hypot(rows - height / 2, columns - width / 3 - 2 * index)
        ink = np.clip(min(height, width) / 5 - distance, 0, 1)
        video[index] = (ink[..., None] * np.array(colour)).round()
    return video


def reopened(clip, path, **options):
    """The clip that comes back from a file."""
    clip.save(path, **options)
    return Clip.open(path)


def sound_of(clip):
    assert clip.audio is not None
    return clip.audio


def encode(path, frames, *, codec="ffv1", pixels="bgr0", source="rgb24", times=None, base=Fraction(1, 8), **options):
    """A video written by PyAV directly, not by the code under test; `times` in units of `base`."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=1 / base, options={k: str(v) for k, v in options.items()})
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], pixels
        stream.codec_context.time_base = base
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=source).reformat(format=pixels)
            picture.pts, picture.time_base = index if times is None else times[index], base
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def refused(path, *words, **arguments):
    """The message of the RequestError, which is one line and names the file."""
    with pytest.raises(RequestError) as caught:
        read_video(path, **arguments)
    message = str(caught.value)
    assert "\n" not in message and message.isprintable()
    assert Path(path).name in message
    for word in words:
        assert word in message
    return message


def draw_films(folder: Path, fps: int) -> None:
    """Two films of a texture that moves, with their captions."""
    folder.mkdir(parents=True)
    texture = np.random.default_rng(0).integers(0, 256, (20, 9, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    for name in ("waves", "sand"):
        write_video(folder / f"{name}.mp4", np.stack([texture[t : t + 64, :64] for t in range(36)]), fps=fps)
        (folder / f"{name}.txt").write_text(f"{name} roll onto a beach")
