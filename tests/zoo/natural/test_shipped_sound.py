"""The audio tokenizer that ships with natural: silence, tones and clicks come back, at any rate and in any shape."""

import numpy as np
import pytest

import reelm
from reelm.tokenizer.audio.tokenizer import AudioTokenizer

RATE = 16_000
EVEN = [round(100 * 60 ** (i / 47)) for i in range(48)]  # Hz, evenly over the octaves from 100 Hz to 6 kHz


@pytest.fixture(scope="module")
def tokenizer() -> AudioTokenizer:
    tokenizer = reelm.load("natural").audio_tokenizer
    assert tokenizer is not None
    return tokenizer


def test_its_bit_rates(tokenizer):
    config = tokenizer.config
    bits = [float(config.frame_rate) * config.bits * levels for levels in (*config.fewer_levels, config.levels)]
    assert bits == [1_500, 3_000, 6_000]
    assert [config.frames_beside(1, fps) for fps in (8, 12, 24, 25)] == [6, 4, 2, 2]


def test_silence_stays_silent(tokenizer):
    assert not tokenizer.reconstruct(np.zeros(RATE, np.float32), RATE).any()


@pytest.mark.parametrize("hz", sorted({*EVEN, 440, 1_000, 1_500, 2_000, 3_000, 3_333, 4_000, 5_000}))
def test_a_tone_keeps_its_level_and_its_pitch(tokenizer, hz):
    clock = np.arange(RATE) / RATE
    sound = (0.3 * np.sin(2 * np.pi * hz * clock)).astype(np.float32)
    rebuilt = tokenizer.reconstruct(sound, RATE)
    settled = slice(RATE // 4, RATE * 3 // 4)
    spectrum = np.abs(np.fft.rfft(rebuilt[settled] * np.hanning(RATE // 2), 4 * RATE))
    assert abs(spectrum.argmax() / 4 / hz - 1) < 0.01
    level = 20 * np.log10(rebuilt[settled].std() / sound[settled].std())
    assert abs(level) < 2


def test_a_click_keeps_its_place(tokenizer):
    for place in (4_000, 8_111, 12_345):
        sound = np.zeros(RATE, np.float32)
        sound[place : place + 4] = 0.5
        assert abs(int(np.abs(tokenizer.reconstruct(sound, RATE)).argmax()) - place) < 0.01 * RATE


@pytest.mark.parametrize(
    "sound",
    [
        np.random.default_rng(0).integers(-128, 128, (3_000, 2)).astype(np.int16) * 256,  # as of 8 bits
        np.full(2_000, 0.5, np.float32),  # a constant
        np.sign(np.random.default_rng(0).normal(size=2_000)).astype(np.float32),  # clipped all through
        np.stack([np.zeros(2_000), np.sin(np.arange(2_000) / 9)], -1).astype(np.float32),  # in one ear
        np.ones(1, np.float32),
    ],
)
def test_odd_sound_comes_back_finite_and_in_shape(tokenizer, sound):
    for rate in (8_000, 96_000):
        rebuilt = tokenizer.reconstruct(sound, rate)
        assert rebuilt.shape == sound.shape and np.isfinite(rebuilt).all() and np.abs(rebuilt).max() <= 1
