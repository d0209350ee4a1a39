"""Files in: what a user may give is seen as it is, frame by frame, at its time; pictures and animations too."""

import contextlib
import struct
import tracemalloc
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from made.media import BLUE, encode, greys, levels, moving, quarters, refused
from PIL import Image, features

from reelm.errors import RequestError
from reelm.media.clip import Clip
from reelm.media.formats.mp4 import write_video
from reelm.media.pixels import fit
from reelm.media.read import read_image, read_video, stream_video
from reelm.media.timing import evenly, gather


def test_frames_come_in_order_with_their_rate(tmp_path):
    footage = read_video(encode(tmp_path / "a.mkv", greys(9)))
    assert levels(footage.video) == list(range(9))
    assert footage.video.dtype == np.uint8 and footage.video.shape == (9, 32, 48, 3)
    assert footage.fps == 8 and footage.audio is None and footage.sample_rate is None


def test_max_frames_stops_early_and_one_frame_is_a_video(tmp_path):
    path = encode(tmp_path / "a.mkv", greys(9))
    assert levels(read_video(path, max_frames=4).video) == [0, 1, 2, 3]
    assert levels(read_video(encode(tmp_path / "one.mkv", greys(1))).video) == [0]


def test_frames_of_a_clip_are_in_memory_once():
    made = evenly((np.full((48, 64, 3), level, np.uint8) for level in range(200)), 8)
    tracemalloc.start()
    video, start, end = gather("it", made, None, 2**30)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (video[:, 0, 0, 0] == np.arange(200)).all() and video.shape == (200, 48, 64, 3) and (start, end) == (0, 25)
    assert peak < 1.25 * video.nbytes


@pytest.mark.parametrize(("height", "width"), [(1, 1), (33, 47), (2, 99)])
def test_odd_sizes_are_read_exactly(tmp_path, height, width):
    noise = np.random.default_rng(0).integers(0, 256, (3, height, width, 3), dtype=np.uint8)
    assert np.array_equal(read_video(encode(tmp_path / "odd.mkv", noise)).video, noise)


@pytest.mark.parametrize(
    ("codec", "pixels", "suffix"),
    [
        ("libx264", "yuv420p10le", "mp4"),
        ("libx265", "yuv420p", "mp4"),
        ("libx264", "yuvj420p", "mp4"),
        ("libx264", "yuv444p", "mkv"),
        ("libvpx-vp9", "yuv420p", "webm"),
        ("ffv1", "yuv422p10le", "mkv"),
        ("mpeg4", "yuv420p", "avi"),
        ("rawvideo", "bgr24", "avi"),
    ],
)
def test_depths_ranges_and_codecs_give_the_same_colours(tmp_path, codec, pixels, suffix):
    quiet: dict[str, Any] = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = encode(tmp_path / f"a.{suffix}", np.stack([quarters()] * 3), codec=codec, pixels=pixels, **quiet)
    inside = np.s_[:, 8:24, 8:40]  # one quarter, away from the edges that 4:2:0 softens
    error = read_video(path).video[inside].astype(int) - quarters()[None][inside]
    assert np.abs(error).max() <= 12


@pytest.mark.parametrize("pixels", ["gray", "gray10le"])
def test_grey_is_read_as_three_equal_channels(tmp_path, pixels):
    video = read_video(encode(tmp_path / "grey.mkv", greys(9), pixels=pixels)).video
    assert levels(video) == list(range(9)) and np.ptp(video, axis=-1).max() == 0


@pytest.mark.parametrize(
    ("codec", "pixels", "suffix"),
    [("ffv1", "bgra", "mkv"), ("qtrle", "argb", "mov"), ("libvpx-vp9", "yuva420p", "webm")],
)
def test_transparency_is_seen_over_black(tmp_path, codec, pixels, suffix):
    rgba = np.full((2, 64, 64, 4), 200, np.uint8)
    rgba[:, :, :32, 3], rgba[:, :, 32:, 3] = 0, 128
    video = read_video(encode(tmp_path / f"a.{suffix}", rgba, codec=codec, pixels=pixels, source="rgba")).video
    assert video[:, 8:56, 4:28].max() <= 2
    assert np.abs(video[:, 8:56, 36:60].astype(int) - 100).max() <= 3


MATRICES = {  # a, b, c, d of the track header, and what a viewer sees
    "upright": ((1, 0, 0, 1), lambda p: p),
    "90 clockwise": ((0, 1, -1, 0), lambda p: np.rot90(p, -1)),
    "180": ((-1, 0, 0, -1), lambda p: np.rot90(p, 2)),
    "270 clockwise": ((0, -1, 1, 0), lambda p: np.rot90(p, 1)),
    "mirrored": ((-1, 0, 0, 1), lambda p: p[:, ::-1]),
    "upside down": ((1, 0, 0, -1), lambda p: p[::-1]),
    "transposed": ((0, 1, 1, 0), lambda p: p.swapaxes(0, 1)),
}


@pytest.mark.parametrize("name", MATRICES)
def test_rotation_flags_are_applied(tmp_path, name):
    matrix, seen = MATRICES[name]
    path = encode(tmp_path / "phone.mp4", np.stack([quarters()] * 2), codec="libx264", pixels="yuv444p", crf=4)
    data = bytearray(path.read_bytes())
    a, b, c, d = (value << 16 for value in matrix)
    start = data.index(b"tkhd") + 4 + 40  # version 0: forty bytes of flags, times and volume, then the matrix
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    video = read_video(path).video
    expected = seen(quarters())
    assert video.shape[1:] == expected.shape
    assert np.abs(video[0].astype(int) - expected).mean() < 6


def test_variable_rate_is_resampled_by_the_timestamps(tmp_path):
    times = [0, 100, 150, 500, 520, 950]  # milliseconds
    path = encode(tmp_path / "vfr.mkv", greys(6), times=times, base=Fraction(1, 1000))
    assert levels(read_video(path).video) == [0, 1, 2, 3, 4, 5]
    footage = read_video(path, fps=10)
    shown = [max(i for i, t in enumerate(times) if t <= now) for now in range(0, 950, 100)]
    assert levels(footage.video) == shown and footage.fps == 10


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])  # timestamps in milliseconds, and exact ones
@pytest.mark.parametrize(("fps", "count", "every"), [(30, 30, 1), (10, 10, 3), (60, 60, 0.5), (8, 8, 3.75)])
def test_another_rate_takes_the_frame_shown_at_that_time(tmp_path, suffix, fps, count, every):
    path = encode(tmp_path / f"a.{suffix}", greys(30), base=Fraction(1, 30), codec="libx264rgb", pixels="rgb24", qp=0)
    assert levels(read_video(path, fps=fps).video) == [int(every * i) for i in range(count)]


def test_rates_are_exact(tmp_path):
    write_video(tmp_path / "ntsc.mp4", greys(5), fps=30000 / 1001)
    assert read_video(tmp_path / "ntsc.mp4").fps == 30000 / 1001


def test_pictures_are_read_upright_and_as_seen(tmp_path):
    expected = quarters()
    Image.fromarray(expected).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), expected)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned 90 degrees clockwise
    Image.fromarray(expected).save(tmp_path / "a.jpg", exif=exif, quality=95)
    assert read_image(tmp_path / "a.jpg").shape == (96, 64, 3)
    assert np.abs(read_image(tmp_path / "a.jpg")[4:44, 4:28].astype(int) - BLUE).mean() < 4
    rgba = np.dstack([expected, np.full((64, 96), 51, np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "rgba.webp", lossless=True)
    assert np.array_equal(read_image(tmp_path / "rgba.webp"), (expected.astype(int) * 51 + 127) // 255)
    sixteen = np.linspace(0, 65535, 64 * 96).astype(np.uint16).reshape(64, 96)
    Image.fromarray(sixteen).save(tmp_path / "16.png")
    assert np.array_equal(read_image(tmp_path / "16.png")[..., 1], sixteen >> 8)
    Image.fromarray(expected).convert("L").save(tmp_path / "grey.bmp")
    assert np.ptp(read_image(tmp_path / "grey.bmp"), axis=-1).max() == 0
    assert read_video(tmp_path / "a.png").video.shape == (1, 64, 96, 3)


def test_animations_are_read_at_their_pace(tmp_path):
    images = [Image.fromarray(frame) for frame in greys(4)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=[100, 300, 100, 100], loop=0)
    footage = read_video(tmp_path / "a.gif")
    assert levels(footage.video) == [0, 1, 2, 3] and footage.fps == pytest.approx(4 / 0.6)
    assert levels(read_video(tmp_path / "a.gif", fps=10).video) == [0, 1, 1, 1, 2, 3]
    assert levels(read_video(tmp_path / "a.gif", max_frames=2).video) == [0, 1]
    (tmp_path / "a.mp4").write_bytes((tmp_path / "a.gif").read_bytes())  # told by its content
    assert levels(read_video(tmp_path / "a.mp4").video) == [0, 1, 2, 3]


def test_a_hundredth_of_a_second_is_shown_as_browsers_do(tmp_path):
    images = [Image.fromarray(frame) for frame in greys(6)]
    for name in ("a.gif", "a.png"):
        images[0].save(tmp_path / name, save_all=True, append_images=images[1:], duration=10, loop=0)
        assert len(read_video(tmp_path / name).video) == 6 and read_video(tmp_path / name).fps == pytest.approx(10)
    images[0].save(tmp_path / "b.gif", save_all=True, append_images=images[1:], duration=20, loop=0)
    assert read_video(tmp_path / "b.gif").fps == pytest.approx(50)


def test_the_default_picture_of_an_animation_is_not_a_frame(tmp_path):
    images = [Image.fromarray(frame) for frame in greys(7)]
    path = tmp_path / "a.png"
    images[0].save(path, save_all=True, append_images=images[1:], duration=100, default_image=True)
    assert levels(read_video(path).video) == [1, 2, 3, 4, 5, 6] == levels(read_video(path, fps=10).video)
    assert levels(read_image(path)[None]) == [1]


def test_frames_of_uneven_times_come_at_their_mean_rate(tmp_path):
    times = [0, 40, 80, 1000, 2000, 3000, 5000, 6000, 7000, 9000]  # Matroska's header says 25 a second, or 1000
    path = encode(tmp_path / "a.mkv", greys(10), times=times, base=Fraction(1, 1000))
    footage = read_video(path)
    assert levels(footage.video) == list(range(10)) and footage.fps == pytest.approx(10 / 9, rel=0.02)


def test_the_lowest_rate_comes_back(tmp_path):
    write_video(tmp_path / "a.mp4", greys(2), fps=0.01)
    assert read_video(tmp_path / "a.mp4").fps == 0.01


def test_floats_from_black_to_white_are_seen(tmp_path):
    grey = np.array([[0.0, 0.5, 1.0]], np.float32)
    for scale, expected in ((1, [0, 128, 255]), (200, [0, 100, 200])):
        Image.fromarray(grey * scale).save(tmp_path / "a.tiff")
        assert read_image(tmp_path / "a.tiff")[0, :, 0].tolist() == expected


@pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")
def test_a_damaged_avif_is_refused(tmp_path):
    Image.fromarray(greys(1)[0]).save(tmp_path / "a.avif")
    good = (tmp_path / "a.avif").read_bytes()
    for place in range(80, min(len(good), 260), 3):
        (tmp_path / "a.avif").write_bytes(good[:place] + b"\0\xff" + good[place + 2 :])
        with contextlib.suppress(RequestError):
            read_image(tmp_path / "a.avif")


@pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")
def test_all_frames_of_an_animated_avif_are_read(tmp_path):
    first, *others = (Image.fromarray(frame) for frame in greys(3))
    first.save(tmp_path / "a.avif", save_all=True, append_images=others, duration=200)
    footage = read_video(tmp_path / "a.avif")
    assert len(footage.video) == 3 and footage.fps == pytest.approx(5)


@pytest.mark.parametrize("sizes", [[(24, 16)], [(24, 16), (24, 16)], [(12, 8), (48, 32)]], ids=str)
@pytest.mark.parametrize(("suffix", "kind"), [("jpg", "MPO"), ("tiff", "TIFF")])
def test_pictures_behind_the_first_are_not_frames(tmp_path, suffix, kind, sizes):
    first, *others = (Image.new("RGB", size, (9 * i, 0, 0)) for i, size in enumerate([(24, 16), *sizes]))
    first.save(tmp_path / f"a.{suffix}", format=kind, save_all=True, append_images=others)
    assert read_video(tmp_path / f"a.{suffix}").video.shape == (1, 16, 24, 3)
    [frame] = stream_video(tmp_path / f"a.{suffix}")
    assert frame.pixels.shape == (16, 24, 3)


@pytest.mark.parametrize(("suffix", "fps"), [("mp4", None), ("mkv", 24.0), ("gif", 12.0)])
def test_frames_of_another_size_are_those_that_fit_makes_of_them(tmp_path, suffix, fps):
    path = tmp_path / f"a.{suffix}"
    Clip(video=moving(6, 32, 48), fps=8).save(path) if suffix == "gif" else encode(path, moving(6, 32, 48))
    whole = read_video(path, fps=fps).video
    assert np.array_equal(read_video(path, fps=fps, size=(32, 32)).video, [fit(frame, 32, 32) for frame in whole])


@pytest.mark.parametrize("suffix", ["gif", "mkv"])
def test_a_small_film_that_would_be_large_is_refused(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Clip(video=greys(4), fps=0.1).save(path) if suffix == "gif" else encode(path, greys(4), base=Fraction(10))
    refused(path, "1024x1024 frames, over the budget", fps=8, size=(1024, 1024), budget_bytes=2**28)
