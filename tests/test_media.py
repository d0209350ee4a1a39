"""Files in: what a user may give is read rightly or refused in one line that names it."""

import logging
import struct
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from reelm.sampling.media import read_image, read_note, read_video
from reelm.sampling.mp4 import write_video
from reelm.tokenizer.request import RequestError

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


def test_frames_come_in_order_with_their_rate(tmp_path):
    footage = read_video(encode(tmp_path / "a.mkv", greys(9)))
    assert levels(footage.video) == list(range(9))
    assert footage.video.dtype == np.uint8 and footage.video.shape == (9, 32, 48, 3)
    assert footage.fps == 8 and footage.audio is None and footage.sample_rate is None


def test_max_frames_stops_early_and_one_frame_is_a_video(tmp_path):
    path = encode(tmp_path / "a.mkv", greys(9))
    assert levels(read_video(path, max_frames=4).video) == [0, 1, 2, 3]
    assert levels(read_video(encode(tmp_path / "one.mkv", greys(1))).video) == [0]


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


@pytest.mark.parametrize("turn", MATRICES)
def test_rotation_flags_are_applied(tmp_path, turn):
    matrix, seen = MATRICES[turn]
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


# Faults


def test_what_is_no_file_is_refused(tmp_path):
    refused(tmp_path / "missing.mp4", "does not exist")
    refused(tmp_path, "not a regular file")
    (tmp_path / "empty.mp4").touch()
    refused(tmp_path / "empty.mp4", "empty")
    with pytest.raises(RequestError, match="does not exist"):
        read_video("a\0b.mp4")
    with pytest.raises(RequestError, match=r"one\\nline.mp4' does not exist"):
        read_video("one\nline.mp4")


def test_text_under_another_name_is_refused(tmp_path):
    for index, text in enumerate(
        ["hello\n" * 99, "#EXTM3U\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n", "GIF89a", "\x89PNG\r\n"]
    ):
        path = tmp_path / f"{index}.mp4"
        path.write_text(text, encoding="latin1")
        refused(path)
        with pytest.raises(RequestError):
            read_image(path)


def test_sound_only_and_no_frames_are_refused(tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(1, 16000).T.copy(), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    refused(tmp_path / "sound.mp4", "sound but no video")
    encode(tmp_path / "none.mkv", greys(1)[:0])
    refused(tmp_path / "none.mkv")


def damaged(data, at, xor=0xFF):
    changed = bytearray(data)
    for place in at:
        changed[place] ^= xor
    return bytes(changed)


def test_a_cut_file_is_refused_and_not_read_short(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (16, 64, 64, 3), dtype=np.uint8)
    write_video(tmp_path / "whole.mp4", noise, fps=8)  # the index lies in front, so a cut file opens
    data = (tmp_path / "whole.mp4").read_bytes()
    for share in (0.02, 0.3, 0.6, 0.99):
        (tmp_path / "cut.mp4").write_bytes(data[: int(share * len(data))])
        refused(tmp_path / "cut.mp4")


def test_damage_within_frames_is_refused(tmp_path):
    moving = np.stack([np.roll(quarters(), 3 * shift, axis=1) for shift in range(16)])
    write_video(tmp_path / "whole.mp4", moving, fps=8)
    data = (tmp_path / "whole.mp4").read_bytes()
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    (tmp_path / "flipped.mp4").write_bytes(damaged(data, range(middle, middle + 64)))
    refused(tmp_path / "flipped.mp4", "damaged")


def test_no_damage_anywhere_ends_in_another_error(tmp_path):
    write_video(tmp_path / "whole.mp4", greys(5), fps=8, audio=tone(0.6, 16000), sample_rate=16000, comment="{}")
    data = (tmp_path / "whole.mp4").read_bytes()
    random = np.random.default_rng(0)
    path = tmp_path / "damaged.mp4"
    for _ in range(100):
        path.write_bytes(damaged(data, random.integers(0, len(data), 3), int(random.integers(1, 256))))
        try:
            assert read_video(path, budget_bytes=2**24).video.ndim == 4
        except RequestError as error:
            assert "\n" not in str(error)


def test_a_bomb_is_refused_by_its_header(tmp_path):
    size = 8192
    with av.open(str(tmp_path / "bomb.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=8, options={"preset": "ultrafast"})
        stream.height = stream.width = size
        stream.pix_fmt = "yuv420p"
        picture = av.VideoFrame(size, size, "yuv420p")
        for plane in picture.planes:
            plane.update(bytes(plane.buffer_size))
        picture.pts = 0
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    refused(tmp_path / "bomb.mp4", "67 megapixels", "at most 64")  # decoding it would be refused as damage


def test_a_clip_over_the_memory_budget_is_refused(tmp_path):
    frame_bytes = 3 * 32 * 48
    mp4 = encode(tmp_path / "a.mp4", greys(9), codec="libx264", pixels="yuv420p")
    mkv = encode(tmp_path / "a.mkv", greys(9))  # whose header does not tell the count
    for path in (mp4, mkv):
        refused(path, "budget", "8 frames", budget_bytes=9 * frame_bytes - 1)
        assert len(read_video(path, budget_bytes=9 * frame_bytes).video) == 9
        assert len(read_video(path, budget_bytes=4 * frame_bytes, max_frames=4).video) == 4
        refused(path, "budget", fps=16, budget_bytes=9 * frame_bytes)


def test_impossible_arguments_are_refused(tmp_path):
    path = encode(tmp_path / "a.mkv", greys(2))
    for fps in (0, -1, float("nan"), float("inf")):
        with pytest.raises(RequestError, match="fps"):
            read_video(path, fps=fps)
    with pytest.raises(RequestError, match="max_frames"):
        read_video(path, max_frames=0)


def test_names_that_look_like_protocols_and_metadata_that_is_no_text_do_no_harm(tmp_path):
    path = tmp_path / "a:b %03d ünï 視頻 🎬.mp4"
    write_video(path, greys(3), fps=8, comment="plain text")
    path.write_bytes(path.read_bytes().replace(b"plain", b"\xff\xfe\xff\xfe\xff"))
    assert levels(read_video(path).video) == [0, 1, 2]
    assert (read_note(path) or "").endswith(" text")


# Sound


def sound_of(footage):
    assert footage.audio is not None
    return footage.audio


def heard(sound, rate):
    """Seconds at which a tone starts and ends, to the hundredth."""
    loud = np.flatnonzero(np.abs(sound[:, 0]) > 0.1)
    return round(loud[0] / rate, 2), round((loud[-1] + 1) / rate, 2)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_sound_keeps_its_channels_its_place_and_lasts_as_the_picture(tmp_path, rate, channels):
    sound = tone(17 / 8, rate, channels)
    sound[: rate // 2] = 0
    write_video(tmp_path / "a.mp4", greys(17), fps=8, audio=sound, sample_rate=rate)
    footage = read_video(tmp_path / "a.mp4")
    assert footage.sample_rate == rate and sound_of(footage).dtype == np.float32
    assert sound_of(footage).shape == (round(17 * rate / 8), channels)
    assert heard(sound_of(footage), rate) == pytest.approx((0.5, 2.12), abs=0.02)
    later = np.s_[int(0.6 * rate) : 2 * rate]
    assert np.corrcoef(sound_of(footage)[later, 0], sound[later, 0])[0, 1] > 0.99  # not a sample early or late
    if channels == 2:
        assert np.abs(sound_of(footage)[:, 1]).max() < 0.05


def test_sound_is_cut_with_the_frames(tmp_path, caplog):
    write_video(tmp_path / "a.mp4", greys(17), fps=8, audio=tone(17 / 8, 16000), sample_rate=16000)
    footage = read_video(tmp_path / "a.mp4", max_frames=4)
    assert sound_of(footage).shape == (8000, 1) and not caplog.records


@pytest.mark.parametrize(("seconds", "word"), [(1.0, "shorter"), (4.0, "longer")])
def test_sound_of_another_length_is_fitted_and_said(tmp_path, caplog, seconds, word):
    sound = tone(seconds, 16000)
    with caplog.at_level(logging.WARNING):
        write_video(tmp_path / "a.mp4", greys(16), fps=8, audio=sound, sample_rate=16000)
    assert [word in record.getMessage() for record in caplog.records] == [True]
    footage = read_video(tmp_path / "a.mp4")
    assert sound_of(footage).shape == (32000, 1)
    assert heard(sound_of(footage), 16000)[1] == pytest.approx(min(seconds, 2), abs=0.03)


@pytest.mark.parametrize(("sound_starts", "expected"), [(0.5, (0.5, 1.5)), (0.0, (0.0, 1.0))])
def test_sound_that_starts_late_or_early_is_heard_at_its_time(tmp_path, sound_starts, expected, caplog):
    """The container says when each track starts; in the second file it is the picture that starts late."""
    picture_starts = 0.0 if sound_starts else 1.0
    sound = tone(1 if sound_starts else 2, 16000)
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        video = container.add_stream("ffv1", rate=8)
        video.height, video.width, video.pix_fmt = 32, 48, "bgr0"
        audio = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        for index, frame in enumerate(greys(16)):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24").reformat(format="bgr0")
            picture.pts, picture.time_base = index + int(8 * picture_starts), Fraction(1, 8)
            container.mux(video.encode(picture))
        for start in range(0, len(sound), 1600):
            piece = (sound[start : start + 1600].T * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
            frame.sample_rate, frame.time_base = 16000, Fraction(1, 16000)
            frame.pts = start + int(16000 * sound_starts)
            container.mux(audio.encode(frame))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    footage = read_video(tmp_path / "a.mkv")
    assert sound_of(footage).shape == (32000, 1)
    assert heard(sound_of(footage), 16000) == pytest.approx(expected, abs=0.01)


def test_six_channels_are_mixed_to_two(tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        video = container.add_stream("ffv1", rate=8)
        video.height, video.width, video.pix_fmt = 32, 48, "bgr0"
        audio = container.add_stream("pcm_s16le", rate=16000, layout="5.1")
        picture = av.VideoFrame(48, 32, "bgr0")
        picture.pts = 0
        container.mux(video.encode(picture))
        frame = av.AudioFrame.from_ndarray(np.full((1, 6 * 2000), 9000, np.int16), format="s16", layout="5.1")
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(audio.encode(frame))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    assert sound_of(read_video(tmp_path / "a.mkv")).shape == (2000, 2)


def test_sound_with_nan_is_refused(tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        video = container.add_stream("ffv1", rate=8)
        video.height, video.width, video.pix_fmt = 32, 48, "bgr0"
        audio = container.add_stream("pcm_f32le", rate=16000, layout="mono")
        picture = av.VideoFrame(48, 32, "bgr0")
        picture.pts = 0
        container.mux(video.encode(picture))
        frame = av.AudioFrame.from_ndarray(np.full((1, 2000), np.nan, np.float32), format="flt", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(audio.encode(frame))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    refused(tmp_path / "a.mkv", "NaN")


# Pictures


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


def test_pictures_too_large_or_damaged_are_refused(tmp_path):
    for side in (8192, 20000):  # below and above what Pillow itself refuses
        header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", side, side, 8, 2, 0, 0, 0) + bytes(4)
        (tmp_path / "large.png").write_bytes(header)
        for read in (read_image, read_video):
            with pytest.raises(RequestError) as caught:
                read(tmp_path / "large.png")
            assert "large.png" in str(caught.value)
    random = np.random.default_rng(0)
    images = [Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8)) for _ in range(3)]
    for suffix in ("png", "jpg", "gif", "webp"):
        path = tmp_path / f"a.{suffix}"
        images[0].save(path, **({} if suffix == "jpg" else {"save_all": True, "append_images": images[1:]}))
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        for read in (read_image, read_video):
            try:
                read(path)
            except RequestError as error:
                assert path.name in str(error) and "\n" not in str(error)
        for _ in range(30):
            path.write_bytes(damaged(data, random.integers(0, len(data), 3)))
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    read_video(path, budget_bytes=2**24)
            except RequestError as error:
                assert "\n" not in str(error)
