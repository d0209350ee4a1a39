"""Pixels that are not square are seen in their shape; the fields of interlaced film become whole frames."""

import struct
from typing import Any

import numpy as np
import pytest
from made.media import encode, greys, levels

from reelm.data.films.buckets import Buckets, Size
from reelm.data.films.cutting import CuttingConfig, clips_of
from reelm.data.films.manifest import Source
from reelm.media.clip import Clip
from reelm.media.film import open_film
from reelm.media.read import read_video, stream_video


def disc(height, width):
    """A white disc on black, as wide as it is high."""
    y, x = np.indices((height, width)) + 0.5
    inside = (y - height / 2) ** 2 + (x - width / 2) ** 2 < (0.4 * min(height, width)) ** 2
    return np.repeat(255 * inside[None, ..., None], 3, -1).astype(np.uint8)


def stored(path, frames, **x264):
    """A film by x264, which writes all that is asked for into the file's header."""
    asked = ":".join(f"{key}={value}" for key, value in x264.items())
    options: dict[str, Any] = {"x264-params": asked}
    return encode(path, frames, codec="libx264", pixels="yuv444p", crf=4, **options)


def squeezed(path, **x264):
    """18 frames of 171x96 as 96x96, whose pixels are 16:9."""
    narrow = disc(96, 171)[:, :, np.round(np.linspace(0, 170, 96)).astype(int)]
    return stored(path, narrow.repeat(18, 0), **{"sar": "16/9", **x264})


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
def test_pixels_that_are_not_square_keep_their_shape(tmp_path, suffix):
    path = squeezed(tmp_path / f"a.{suffix}")
    picture = Clip.open(path).video[1]
    assert picture.shape == (96, 171, 3)
    assert np.abs(picture.astype(int) - disc(96, 171)[0]).mean() < 4
    assert next(open_film(path).frames).pixels.shape == (96, 171, 3)
    asked = []
    frame = next(stream_video(path, fit=lambda *size: asked.append(size) or (48, 86)))
    assert asked == [(96, 171)] and frame.pixels.shape == (48, 86, 3)


def test_narrow_and_turned_pixels_keep_their_shape_too(tmp_path):
    assert Clip.open(squeezed(tmp_path / "tall.mp4", sar="3/4")).video.shape[1:] == (128, 96, 3)
    path = squeezed(tmp_path / "turned.mp4")
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40
    data[start : start + 20] = struct.pack(">5i", 0, 1 << 16, 0, -1 << 16, 0)  # a quarter turn
    path.write_bytes(data)
    assert Clip.open(path).video.shape[1:] == (171, 96, 3)


def test_a_shape_that_no_pixel_has_is_said_and_left_out(tmp_path, caplog):
    assert Clip.open(squeezed(tmp_path / "none.mp4", sar="0/1")).video.shape[1:] == (96, 96, 3)
    assert not caplog.records
    assert Clip.open(squeezed(tmp_path / "wide.mp4", sar="20/1")).video.shape[1:] == (96, 96, 3)
    assert len(caplog.records) == 1 and "wide.mp4" in caplog.text and "20" in caplog.text


def test_training_clips_are_of_the_shape_that_is_seen(tmp_path):
    config = CuttingConfig(buckets=Buckets(resolution=64, lengths=(1, 9)))
    clips = [*clips_of(squeezed(tmp_path / "a.mp4"), Source("film", ("words",)), config, lambda: None)]
    assert {(clip.height, clip.width) for clip in clips} == {Size(48, 88)}


def moving(count):
    """A bar that moves by 4 columns with each field, [count,64,96,3]."""
    x = np.arange(96) - 4 * np.arange(count)[:, None]
    return np.repeat(np.where((x >= 4) & (x < 24), 220, 20)[:, None, :, None], 64, 1).repeat(3, -1).astype(np.uint8)


def woven(fields):
    """The interlaced film of twice as many moments: every other line is of the next one."""
    frames = fields[::2].copy()
    frames[:, 1::2] = fields[1::2, 1::2]
    return frames


def combs(video):
    """How unlike each line is its neighbours, on average."""
    lines = video[:, 2:-2].astype(int)
    return np.abs(2 * lines[:, 1:-1] - lines[:, :-2] - lines[:, 2:]).mean(axis=(1, 2, 3))


def check_whole(video, fields):
    """Each frame shows one of its two moments, and which one it is does not change."""
    assert combs(video).max() < 3
    errors = [np.abs(video.astype(int) - fields[first::2])[1:-1].mean() for first in (0, 1)]
    assert min(errors) < 2 < max(errors)


@pytest.mark.parametrize("suffix", ["mp4", "ts"])
def test_interlaced_film_becomes_whole_frames(tmp_path, caplog, suffix):
    fields = moving(16)
    assert combs(woven(fields)).min() > 15
    path = stored(tmp_path / f"a.{suffix}", woven(fields), tff=1)
    footage = read_video(path)
    assert footage.fps == 8 and len(caplog.records) == 1 and "interlaced" in caplog.text
    check_whole(footage.video, fields)
    frames = [*stream_video(path, fit=lambda height, width: (height, width))]
    check_whole(np.stack([frame.pixels for frame in frames]), fields)
    starts = [frame.start - frames[0].start for frame in frames]
    assert starts == pytest.approx(np.arange(8) / 8) and frames[0].end - frames[0].start == pytest.approx(1 / 8)


def test_what_is_not_interlaced_between_is_left_as_it_is(tmp_path):
    fields, still = moving(16), greys(8, 64, 96)
    first = stored(tmp_path / "a.ts", still).read_bytes()
    (tmp_path / "b.ts").write_bytes(first + stored(tmp_path / "c.ts", woven(fields), tff=1).read_bytes() + first)
    video = read_video(tmp_path / "b.ts").video
    assert len(video) == 24 and levels(video[:8]) == levels(video[16:]) == list(range(8))
    check_whole(video[8:16], fields)
    combed = stored(tmp_path / "d.mp4", woven(fields))  # a pattern of lines that no header calls interlaced
    assert combs(read_video(combed).video).min() > 15


def test_the_header_counts_where_frames_are_not_marked(tmp_path, monkeypatch):
    fields = moving(16)
    monkeypatch.setattr("reelm.media.formats.interlaced.field_order", lambda *_: "tff")
    check_whole(read_video(stored(tmp_path / "a.mkv", woven(fields))).video, fields)


@pytest.mark.parametrize(("height", "frames"), [(64, 1), (2, 3)])
def test_single_and_tiny_interlaced_frames_come_through(tmp_path, height, frames):
    path = stored(tmp_path / "a.mkv", greys(frames, height), tff=1)
    assert levels(read_video(path).video) == [*range(frames)]
