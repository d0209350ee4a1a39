"""One file to clips: cut at its shots, at the asked rate, in the right bucket, with the sound that belongs to it."""

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from reelm.data.films import buckets
from reelm.data.films.buckets import Buckets, Size, centre, covering
from reelm.data.films.cutting import CuttingConfig, clips_of
from reelm.data.films.manifest import Source
from reelm.data.stored_clip import StoredClip, decode, encode
from reelm.errors import RequestError
from reelm.media.formats.animations import write_animation, write_picture
from reelm.media.formats.mp4 import write_video
from reelm.media.read import read_video
from reelm.media.timing import TimedFrame, on_clock
from reelm.tokenizer.video.config import VideoTokenizerConfig

CONFIG = CuttingConfig(buckets=Buckets(resolution=32, lengths=(1, 5, 9)), sample_rate=8000)


def texture(seed: int, frames: int, height: int = 32, width: int = 32) -> np.ndarray:
    """A soft pattern that drifts; patterns of two seeds are two shots."""
    rng = np.random.default_rng(seed)
    row, column, channel = rng.uniform(0.05, 0.6, (3, 1, 1, 3))
    y, x = np.indices((height, width))[..., None]
    move = np.arange(frames)[:, None, None, None]
    wave = np.sin(y * row + x * column + 0.05 * move + 9 * channel)
    return (rng.uniform(40, 215, 3) + 40 * wave).astype(np.uint8)


def cut(path: Path, config: CuttingConfig = CONFIG) -> list[StoredClip]:
    return list(clips_of(path, Source("film", ("words",)), config, lambda: None))


def film(path: Path, *shots: np.ndarray, fps: float = 8.0, **sound) -> Path:
    write_video(path, np.concatenate(shots), fps=fps, **sound)
    return path


def test_clips_never_cross_a_cut(tmp_path):
    shots = [texture(1, 16), texture(2, 12), texture(3, 4)]
    path = film(tmp_path / "a.mp4", *shots)
    clips, video = cut(path), read_video(path).video
    # 16 = 9 + 5 + 2 left over, 12 = 9 + 3, 4 are too short.
    assert [(clip.shot, clip.frames, clip.start) for clip in clips] == [(0, 9, 0.0), (0, 5, 9 / 8), (1, 9, 2.0)]
    for clip, first in zip(clips, (0, 9, 16), strict=True):
        differences = np.abs(decode(clip.video).astype(int)[:, None] - video).mean(axis=(2, 3, 4))
        assert differences.argmin(axis=1).tolist() == list(range(first, first + clip.frames))


def test_a_cut_may_be_one_of_colour_alone(tmp_path):
    colours = np.array([[200, 40, 40], [60, 70, 255]], np.uint8)
    red, blue = np.broadcast_to(colours[:, None, None, None], (2, 9, 32, 32, 3))
    assert [clip.shot for clip in cut(film(tmp_path / "a.mp4", red, blue))] == [0, 1]


def test_pixels_are_made_of_the_frames_that_are_kept_and_once():
    made = []

    def frame(number: int) -> TimedFrame:
        def pixels() -> np.ndarray:
            made.append(number)
            return np.full((2, 2, 3), number, np.uint8)

        return TimedFrame(number / 24, (number + 1) / 24, pixels)

    for fps, shown in ((8, range(0, 24, 3)), (48, [i // 2 for i in range(48)])):
        made.clear()
        assert [out.pixels[0, 0, 0] for out in on_clock(map(frame, range(24)), fps)] == list(shown)
        assert made == sorted(set(shown))


def test_motion_is_no_cut(tmp_path):
    picture = texture(4, 1, 32, 200)[0]
    moving = np.stack([picture[:, 2 * i : 2 * i + 32] for i in range(27)])
    assert [clip.shot for clip in cut(film(tmp_path / "a.mp4", moving))] == [0, 0, 0]


def test_the_rate_is_the_asked_one(tmp_path):
    frames = texture(5, 24)
    [clip] = cut(film(tmp_path / "a.mp4", frames, fps=24))
    assert clip.frames == 5 and clip.fps == 8.0  # 24 frames at 24 are one second: 8, cut to 5
    np.testing.assert_allclose(decode(clip.video).astype(int), frames[0:15:3], atol=25)


@pytest.mark.parametrize(
    "height, width, size", [(36, 64, (24, 40)), (64, 36, (40, 24)), (50, 50, (32, 32)), (20, 24, (32, 32))]
)
def test_each_shape_has_its_bucket(tmp_path, height, width, size):
    [clip] = cut(film(tmp_path / "a.mp4", texture(6, 6, height, width)))
    assert (clip.height, clip.width) == size == decode(clip.video).shape[1:3]


def test_pictures_are_scaled_to_cover_and_cropped_in_the_middle():
    for size in Buckets(resolution=128).sizes:
        for height, width in [(1080, 1920), (37, 500), (500, 37), (128, 128), (100, 101)]:
            scaled = covering(height, width, size)
            assert scaled[0] >= size.height and scaled[1] >= size.width
            assert scaled[0] == size.height or scaled[1] == size.width
            assert centre(np.zeros((*scaled, 3), np.uint8), size).shape[:2] == size
    assert Buckets(resolution=128).sizes == ((128, 128), (96, 168), (168, 96))
    assert centre(np.arange(12, dtype=np.uint8).reshape(1, 4, 3), Size(1, 2))[0, :, 0].tolist() == [3, 6]


def test_sound_goes_with_its_clip(tmp_path):
    seconds = np.arange(8000 * 4) / 8000
    loud = np.where(seconds < 9 / 8, 0.1, np.where(seconds < 2, 0.3, 0.6))
    sound = (loud * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)[:, None]
    path = film(tmp_path / "a.mp4", texture(1, 16), texture(2, 16), audio=sound, sample_rate=8000)
    clips = cut(path)
    assert [clip.frames for clip in clips] == [9, 5, 9, 5]
    for clip, level in zip(clips, (0.1, 0.3, 0.6, 0.6), strict=True):
        audio = clip.example()["audio"]
        assert len(audio) == clip.frames * 1000 and clip.sample_rate == 8000
        inner = audio[200:-200].astype(float) / 32767
        assert abs(np.sqrt(2 * np.mean(inner**2)) - level) < 0.03


def test_a_track_of_digital_silence_is_none(tmp_path):
    [clip] = cut(film(tmp_path / "a.mp4", texture(1, 6), audio=np.zeros((6000, 1), np.float32), sample_rate=8000))
    assert clip.audio == b"" and clip.sample_rate == 0


def test_animations_and_pictures_are_read_too(tmp_path):
    write_animation(tmp_path / "a.webp", texture(1, 12), seconds=np.arange(13) / 8)
    write_picture(tmp_path / "b.png", texture(2, 1, 40, 40)[0])
    assert [clip.frames for clip in cut(tmp_path / "a.webp")] == [9]
    [still] = cut(tmp_path / "b.png")
    assert (still.frames, still.height, still.width) == (1, 32, 32)


def test_frames_that_change_their_size_are_refused(tmp_path):
    from PIL import Image

    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("mjpeg", rate=8, width=32, height=32, pix_fmt="yuvj420p")
        for number, side in enumerate((32, 48)):
            picture = io.BytesIO()
            Image.fromarray(texture(1, 1, side, side)[0]).save(picture, "jpeg")
            packet = av.Packet(picture.getvalue())
            packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 8), number, number
            container.mux(packet)
    with pytest.raises(RequestError, match="changes its size from 32x32 to 48x48"):
        cut(tmp_path / "a.mkv")


def test_a_film_that_stands_still_for_more_than_a_day_is_refused(tmp_path):
    write_video(tmp_path / "a.mp4", texture(1, 2), fps=8, times=[(0, 25 * 3600), (25 * 3600, 25 * 3600 + 1)])
    with pytest.raises(RequestError, match="'film' stands still for 25 hours"):
        next(clips_of(tmp_path / "a.mp4", Source("film"), CONFIG, lambda: None))


def test_a_stored_clip_comes_back(tmp_path):
    [clip] = cut(film(tmp_path / "a.mp4", texture(1, 6)))
    assert StoredClip.unpack(clip.pack()) == clip
    frames = texture(3, 9)
    assert encode(frames, 8.0) == encode(frames, 8.0)
    rebuilt = decode(encode(frames, 8.0))
    assert np.abs(rebuilt.astype(int) - frames).mean() < 1.5
    np.testing.assert_array_equal(decode(encode(frames, 8.0), 4), rebuilt[:4])


@pytest.mark.parametrize("changed", [{"resolution": 20}, {"resolution": 8}, {"lengths": ()}, {"lengths": (4,)}])
def test_impossible_buckets_are_refused(changed):
    with pytest.raises(ValueError, match="must be"):
        Buckets(**changed)


@pytest.mark.parametrize(
    "changed",
    [{"fps": 0.0}, {"sample_rate": 10}, {"shot_threshold": 0.0}, {"shot_threshold": 101.0}, {"test_share": 1.0}],
)
def test_impossible_settings_are_refused_with_their_number(changed):
    [(name, value)] = changed.items()
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        CuttingConfig(**changed)


def test_clips_fit_the_usual_tokenizer():
    usual = VideoTokenizerConfig()
    assert (buckets._STRIDE, buckets._TIME_STRIDE) == (usual.space_stride, usual.time_stride)
