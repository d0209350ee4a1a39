"""Files in: sound is heard at its time and lasts as the picture."""

import logging
from fractions import Fraction

import av
import numpy as np
import pytest
from made.media import greys, refused, tone

from reelm.media.formats.mp4 import write_video
from reelm.media.read import read_video


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


def one_frame_with(path, sound, *, codec, layout, form):
    """One black frame at 8 frames a second, and a piece of sound at 16 kHz, as PyAV takes it."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1", rate=8)
        video.height, video.width, video.pix_fmt = 32, 48, "bgr0"
        audio = container.add_stream(codec, rate=16000, layout=layout)
        picture = av.VideoFrame(48, 32, "bgr0")
        picture.pts = 0
        container.mux(video.encode(picture))
        frame = av.AudioFrame.from_ndarray(sound, format=form, layout=layout)
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(audio.encode(frame))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


def test_six_channels_are_mixed_to_two(tmp_path):
    sound = np.full((1, 6 * 2000), 9000, np.int16)
    path = one_frame_with(tmp_path / "a.mkv", sound, codec="pcm_s16le", layout="5.1", form="s16")
    assert sound_of(read_video(path)).shape == (2000, 2)


def test_sound_with_nan_is_refused(tmp_path):
    sound = np.full((1, 2000), np.nan, np.float32)
    refused(one_frame_with(tmp_path / "a.mkv", sound, codec="pcm_f32le", layout="mono", form="flt"), "NaN")
