"""Sound that a user gives: any rate and channels, longer or shorter than the picture; what is none is refused."""

import logging
import wave
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from made.parameters import random_params

from reelm.errors import RequestError
from reelm.media.clip import Clip
from reelm.sampling.conditions.given_sound import read_recording
from reelm.sampling.conditions.soundtrack import Soundtrack
from reelm.sampling.conditions.sources import Sources
from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.tokenizer.audio.tokenizer import AudioTokenizer, init_params

RATE, FPS = 2_000, 8


@pytest.fixture(scope="module")
def track() -> Soundtrack:
    config = AudioTokenizerConfig(
        sample_rate=RATE, strides=(10, 5), encoder_channels=(8, 8), decoder_channels=(8, 8), levels=2, groups=1, bits=4
    )
    tokenizer = AudioTokenizer(config, random_params(init_params, config))
    return Soundtrack(tokenizer, (5, 20), config.sample_rate, config.sample_rate / (5 * config.hop), config.levels)


def tone(seconds: float, rate: int, channels: int = 1) -> np.ndarray:
    """float32 [S, C] of 300 Hz; only the first channel sounds."""
    sound = np.zeros((round(seconds * rate), channels), np.float32)
    sound[:, 0] = 0.5 * np.sin(2 * np.pi * 300 * np.arange(len(sound)) / rate)
    return sound


def heard(track: Soundtrack, source: Any) -> np.ndarray:
    """float32 [S, C], as the tokenizer takes it."""
    return track.samples(read_recording(source, track.sample_rate))


def clip_with(sound: np.ndarray | None, rate: int | None, frames: int = 8) -> Clip:
    return Clip(video=np.zeros((frames, 16, 24, 3), np.uint8), fps=FPS, audio=sound, sample_rate=rate)


@pytest.mark.parametrize("rate", [2_000, 7_000, 44_100])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_and_channels_become_those_of_the_tokenizer(track, tmp_path, rate, channels):
    sound = tone(1, rate, channels)
    with wave.open(str(tmp_path / "sound.wav"), "wb") as file:
        file.setparams((channels, 2, rate, len(sound), "NONE", ""))
        file.writeframes((sound * 32767).astype("<i2").tobytes())
    for source in (clip_with(sound, rate), tmp_path / "sound.wav"):
        samples = heard(track, source)
        assert abs(len(samples) - RATE) <= 1 and samples.shape[1] == 1 and samples.dtype == np.float32
        spectrum = np.abs(np.fft.rfft(samples[:, 0], RATE))
        assert spectrum.argmax() == 300
        # The mean of a channel that sounds and one that does not.
        assert spectrum[300] * 2 / RATE == pytest.approx(0.5 / channels, rel=0.05)


def test_channels_that_cancel_each_other_out_are_heard_whichever_way_they_come(track, tmp_path):
    sound = np.concatenate([tone(1, RATE), -tone(1, RATE)], axis=1)
    with wave.open(str(tmp_path / "sound.wav"), "wb") as file:
        file.setparams((2, 2, RATE, len(sound), "NONE", ""))
        file.writeframes((sound * 32768).astype("<i2").tobytes())
    ways = (tmp_path / "sound.wav", sound, clip_with(sound, RATE), (sound, RATE), (sound * 32768).astype(np.int16))
    for way in ways:
        np.testing.assert_allclose(heard(track, way), sound[:, :1], atol=1e-4)
    batch = np.stack([sound, np.repeat(sound[:, :1], 2, axis=1)])
    codes = track.tokenizer.encode(batch, RATE)
    np.testing.assert_array_equal(codes, track.tokenizer.encode(np.stack([sound[:, :1]] * 2), RATE))


def test_samples_are_at_the_rate_of_the_tokenizer(track):
    sound = tone(1, RATE, 2)
    np.testing.assert_allclose(heard(track, sound)[:, 0], sound[:, 0] / 2, atol=1e-6)
    np.testing.assert_allclose(heard(track, (sound * 32768).astype(np.int16)), heard(track, sound), atol=1e-4)


# As librosa, soundfile and SciPy hold sound: the full scale of floats is 1, that of integers the range of their type.
SCALES = {"float64": 1, "float32": 1, "float16": 1, "int8": 2**7, "int16": 2**15, "int32": 2**31, "uint8": 2**7}


@pytest.mark.parametrize("dtype", SCALES)
@pytest.mark.parametrize("rate", [2_000, 44_100])
def test_samples_with_their_rate_are_the_sound_of_a_file(track, dtype, rate):
    sound = tone(1, rate).astype(np.float64)
    held = (sound * SCALES[dtype] + (2**7 if dtype == "uint8" else 0)).astype(dtype)
    expected = heard(track, clip_with(sound.astype(np.float32), rate))
    rates = (rate, float(rate), np.int64(rate), np.array(rate))
    for pair in [(held, each) for each in rates] + [(held[:, 0], rate), (held.repeat(2, axis=1), rate), [held, rate]]:
        read = Sources(audio=cast(Any, pair)).audio
        assert read is not None
        np.testing.assert_allclose(heard(track, read), expected, atol=0.02 if "8" in dtype else 1e-3)


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ((44_100, np.zeros(99)), r"give the samples first: audio=\(samples, rate\)"),
        ((np.zeros((2, 99), np.float32), 44_100), r"looks like \[C, S\]: give sound\.T"),
        ((np.zeros((1, 99), np.float32), 44_100), r"looks like \[C, S\]: give sound\.T"),
        ((np.zeros((99, 6)), 44_100), "1 or 2 channels"),
        ((np.zeros((2, 99, 2)), 44_100), r"the shape \[S\] or \[S, C\]"),
        ((np.zeros(99), 44_100.5), "sample rate is whole Hz"),
        ((np.zeros(99), 44.1), "sample rate is whole Hz"),
        ((np.zeros(99), None), "sample rate is whole Hz"),
        ((np.zeros(99), True), "sample rate is whole Hz"),
        ((np.zeros(99), np.zeros(99)), "pair of arrays"),
        ((np.zeros(99, np.int64), 44_100), "such as int16, not int64"),
        ((np.zeros(99), 44_100, 1), "audio is not an array|must be"),
        (("voice.wav", 44_100), "must be an array of numbers|no array"),
    ],
)
def test_a_pair_that_is_no_sound_is_refused_in_one_line(pair, words):
    with pytest.raises(RequestError, match=words) as refused:
        Sources(audio=pair)
    assert "\n" not in str(refused.value)


def test_a_pair_is_a_sound_to_generate_and_to_describe(tiny_sound_model):
    model, rate = tiny_sound_model, tiny_sound_model.soundtrack.sample_rate
    sound = tone(1, rate)
    alone, pair = (model.generate("red", audio=each, num_frames=13) for each in (sound, (sound, rate)))
    np.testing.assert_array_equal(alone.video, pair.video)
    assert pair.info["audio"] == f"array {list(sound.shape)} at {rate} Hz"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (np.zeros(0, np.float32), "no samples"),
        (np.zeros((0, 2), np.float32), "no samples"),
        (np.full(100, np.nan, np.float32), "NaN"),
        (np.array([0.0, np.inf]), "NaN or infinite"),
        (np.zeros((2, 100, 1)), "shape"),
        (np.zeros((100, 3)), "1 or 2 channels"),
        (np.full(100, 20_000.0), "full scale"),
        (clip_with(None, None), "has no sound"),
    ],
)
def test_what_is_no_sound_is_refused_in_one_line(track, source, words):
    with pytest.raises(RequestError, match=words) as refused:
        heard(track, source)
    assert "\n" not in str(refused.value)


def test_files_without_sound_are_refused(track, tmp_path):
    with wave.open(str(tmp_path / "empty.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
    (tmp_path / "text.wav").write_text("no sound at all")
    clip_with(None, None).save(tmp_path / "silent.mp4")
    for name in ("empty.wav", "text.wav", "silent.mp4", "missing.wav"):
        with pytest.raises(RequestError, match=name) as refused:
            heard(track, tmp_path / name)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("seconds", "said"), [(0.5, "0.50 s shorter"), (3.0, "2.00 s longer"), (1.02, "")])
def test_sound_of_another_length_is_fitted_and_said(track, caplog, seconds, said):
    sound = tone(seconds, RATE)
    with caplog.at_level(logging.WARNING, "reelm"):
        fitted = track.fit(sound, 8, FPS)
    assert fitted.shape == (RATE, 1)
    kept = min(len(sound), RATE)
    np.testing.assert_array_equal(fitted[:kept], sound[:kept])
    assert not fitted[kept:].any()
    assert len(caplog.records) == bool(said) and said in caplog.text


def test_a_sound_gives_as_many_frames_as_it_lasts(track):
    for seconds, frames in ((0.001, 1), (0.125, 1), (1.0, 8), (1.05, 8), (1.07, 9)):
        assert track.frames_for(tone(seconds, RATE), FPS) == frames


def test_codes_beside_a_picture_do_not_depend_on_what_sounds_later(track):
    sound = tone(3, RATE)
    long, short = track.encode(sound, 4), track.encode(sound, 2)
    assert long.shape == (5 + 3 * 20, 2)
    np.testing.assert_array_equal(long[: len(short)], short)
    silent = clip_with(sound[:RATE], RATE)
    np.testing.assert_array_equal(track.of_clip(silent, 2), short)
    assert track.of_clip(replace(silent, audio=None, sample_rate=None), 2) is None


@pytest.mark.slow
def test_what_a_clip_is_made_for_is_fitted_or_refused(tiny_sound_model, caplog):
    for seconds, said in ((3, "longer"), (1, "shorter")):
        with caplog.at_level(logging.WARNING, "reelm"):
            made = tiny_sound_model.generate(audio=clip_with(tone(seconds, 7_000, 2), 7_000), num_frames=13)
        assert len(made.video) == 13 and made.audio.shape == (13 * 7_000 // FPS, 2)
        assert len(caplog.records) == 1 and said in caplog.text
        caplog.clear()
    for sound, words in ((np.zeros(0, np.float32), "no samples"), (np.full(100, np.nan), "NaN")):
        with pytest.raises(RequestError, match=words):
            tiny_sound_model.generate(audio=sound)
