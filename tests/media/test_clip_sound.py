"""Sound of clips: it survives the file, is fitted to the pictures and said to be, and what is none is refused."""

import logging
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made.media import moving, reopened, sound_of

from reelm.errors import RequestError
from reelm.media.clip import Clip
from reelm.media.sound import resampled_length


def test_sound_survives(tmp_path):
    time = np.arange(34000) / 16000
    sound = np.stack([0.5 * np.sin(2 * np.pi * 440 * time), 0.5 * np.sin(2 * np.pi * 1000 * time)], -1).astype(
        np.float32
    )
    back = reopened(Clip(moving(17), fps=8, audio=sound, sample_rate=16000), tmp_path / "a.mp4")
    assert back.sample_rate == 16000 and sound_of(back).shape == sound.shape and sound_of(back).dtype == np.float32
    assert np.sqrt(np.mean((sound_of(back) - sound)[1600:-1600] ** 2)) < 0.02


@given(
    seconds=st.fractions(min_value=Fraction(1, 48), max_value=3, max_denominator=48),
    rates=st.tuples(*[st.sampled_from((8_000, 11_025, 16_000, 22_050, 44_100, 48_000))] * 2),
)
def test_sound_at_another_rate_lasts_to_its_last_half_sample_and_not_beyond_its_time(seconds, rates):
    rate, other = rates
    samples = round(seconds * rate)
    length = resampled_length(samples, rate, other)
    assert length >= (samples - Fraction(1, 2)) * other / rate
    assert length <= math.ceil(seconds * other)


@pytest.mark.parametrize(
    ("rate", "stored"), [(1000, 8000), (7000, 8000), (16001, 22050), (96000, 96000), (192000, 96000)]
)
def test_rates_that_aac_has_not_are_resampled(tmp_path, rate, stored):
    time = np.arange(2 * rate) / rate
    sound = (0.5 * np.sin(2 * np.pi * 300 * time))[:, None].astype(np.float32)
    back = reopened(Clip(moving(16), fps=8, audio=sound, sample_rate=rate), tmp_path / "a.mp4")
    assert back.sample_rate == stored and sound_of(back).shape == (2 * stored, 1)
    spectrum = np.abs(np.fft.rfft(sound_of(back)[:, 0]))
    assert np.argmax(spectrum) / 2 == pytest.approx(300, abs=1)


@pytest.mark.parametrize(
    ("samples", "said"), [(0, "2.00 s shorter"), (16000, "1.00 s shorter"), (48000, "1.00 s longer")]
)
def test_sound_of_another_length_is_fitted_and_said(tmp_path, caplog, samples, said):
    sound = np.full((samples, 1), 0.25, np.float32)
    with caplog.at_level(logging.WARNING, "reelm"):
        clip = Clip(moving(16), fps=8, audio=sound, sample_rate=16000)
        clip.save(tmp_path / "a.mp4")
    assert len(caplog.records) == 1 and said in caplog.text
    assert sound_of(Clip.open(tmp_path / "a.mp4")).shape == (32000, 1)


def test_sound_off_by_a_moment_is_fitted_without_a_word(tmp_path, caplog):
    clip = Clip(moving(17), fps=24, audio=np.zeros((15620, 1), np.float32), sample_rate=22050)
    assert sound_of(reopened(clip, tmp_path / "a.mp4")).shape == (round(17 * 22050 / 24), 1)
    assert not caplog.records


def test_sound_beyond_the_range_is_clipped(tmp_path):
    clip = Clip(moving(16), fps=8, audio=np.full((32000, 1), 40, np.float32), sample_rate=16000)
    assert np.abs(sound_of(reopened(clip, tmp_path / "a.mp4"))).max() < 2


def test_sound_is_said_to_be_left_out_of_pictures(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "reelm"):
        Clip(moving(2), fps=8, audio=np.zeros((4000, 1), np.float32), sample_rate=16000).save(tmp_path / "a.gif")
    assert "no sound" in caplog.text


@pytest.mark.parametrize(
    ("sound", "rate", "words"),
    [
        (np.full((100, 1), np.nan, np.float32), 16000, "NaN"),
        (np.zeros((100, 3), np.float32), 16000, "channels"),
        (np.zeros(100, np.float32), 16000, "samples, channels"),
        (np.zeros((100, 1)), 16000, "float32"),
        (np.zeros((100, 1), np.float32), None, "sample_rate"),
        (np.zeros((100, 1), np.float32), 0, "sample_rate"),
        (np.zeros((100, 1), np.float32), 16000.5, "sample_rate"),
        (np.zeros((100, 1), np.float32), 2**40, "sample_rate"),
        (None, 16000, "no audio"),
    ],
)
def test_sound_that_is_none_is_refused(sound, rate, words):
    with pytest.raises(RequestError, match=words):
        Clip(moving(2), fps=8, audio=sound, sample_rate=rate)


# Faults
