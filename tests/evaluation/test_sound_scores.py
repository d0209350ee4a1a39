"""Scores of sound: known values, explicit references, ticks found where they were put, silence told from sound."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reelm import load
from reelm.data.moving_digits.mnist import load as load_digits
from reelm.data.moving_digits.soundtracks import bounces, example, tick
from reelm.evaluation.features.mel import mel_filters, mel_spectrogram
from reelm.evaluation.judges.ticks import matched, ticks
from reelm.evaluation.scores.sound import SoundSimilarity, is_silent, level_db, mel_distance, si_sdr, stft_distance
from reelm.evaluation.sound import reconstruction
from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.tokenizer.audio.tokenizer import AudioTokenizer, init_params

RATE = 16_000
NOISE = np.random.default_rng(0).normal(0, 0.1, (RATE, 1)).astype(np.float32)


def test_si_sdr_of_noise_at_a_known_level():
    error = np.random.default_rng(1).normal(0, 0.01, NOISE.shape)
    assert si_sdr(NOISE, NOISE + error) == pytest.approx(20, abs=0.2)
    # Loudness, sign and offset do not matter.
    assert si_sdr(NOISE, -0.3 * (NOISE + error) + 0.2) == pytest.approx(si_sdr(NOISE, NOISE + error), abs=1e-6)
    assert si_sdr(NOISE, 0.5 * NOISE) > 100
    assert np.isnan(si_sdr(0 * NOISE, NOISE)) and si_sdr(NOISE, 0 * NOISE) == -np.inf


def test_si_sdr_equals_the_projection_of_the_paper():
    x, y = np.random.default_rng(2).normal(size=(2, 500, 1))
    xc, yc = x[:, 0] - x.mean(), y[:, 0] - y.mean()
    coefficient, *_ = np.linalg.lstsq(xc[:, None], yc, rcond=None)
    target = xc * coefficient
    expected = 10 * np.log10(target @ target / ((yc - target) @ (yc - target)))
    assert si_sdr(x, y) == pytest.approx(expected, abs=1e-9)


def test_mel_filters_are_triangles_over_the_htk_scale():
    filters = mel_filters(RATE, 1024, 80)
    assert filters.shape == (513, 80) and filters.min() == 0 and 0.9 < filters.max() <= 1
    hz = np.linspace(0, RATE / 2, 513)
    peaks = hz[filters.argmax(0)]
    mels = 2595 * np.log10(1 + peaks / 700)
    np.testing.assert_allclose(np.diff(mels[20:]), np.diff(mels[20:]).mean(), rtol=0.35)
    # Between the first and the last peak, neighbours share each frequency.
    inside = (hz > 300) & (hz < peaks[-1])
    np.testing.assert_allclose(filters[inside].sum(1), 1, atol=1e-5)


def test_mel_spectrogram_equals_an_explicit_one():
    sound = NOISE[:1500, 0].astype(np.float64)
    frames = [sound[i : i + 256] for i in range(0, 1500 // 64 * 64 - 255, 64)]
    n, k = np.arange(256), np.arange(129)[:, None]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / 256)
    matrix = np.exp(-2j * np.pi * k * n / 256)
    expected = np.abs(np.array(frames) * hann @ matrix.T) @ mel_filters(RATE, 256, 20)
    np.testing.assert_allclose(
        mel_spectrogram(jnp.asarray(NOISE[:1500, 0]), RATE, 256, 20), expected, rtol=1e-3, atol=1e-4
    )


def test_mel_distance_counts_decades():
    assert mel_distance(NOISE, NOISE, RATE) == 0
    assert mel_distance(NOISE, 0.1 * NOISE, RATE) == pytest.approx(1, abs=1e-6)
    assert mel_distance(0 * NOISE, 0 * NOISE, RATE) == 0
    assert mel_distance(NOISE[:100], NOISE[:100], RATE) == 0


def test_stft_distance_counts_decades_at_every_scale():
    assert stft_distance(NOISE, NOISE) == 0
    assert stft_distance(NOISE, 0.1 * NOISE) == pytest.approx(1, abs=1e-3)


def test_likeness_of_pieces_is_that_of_blocks():
    similarity = SoundSimilarity()
    rebuilt = NOISE + 0.1 * np.roll(NOISE, 7)
    for start in range(0, len(NOISE), 300):
        similarity.add(NOISE[start : start + 300], rebuilt[start : start + 300], RATE)
    assert similarity.seconds == pytest.approx(len(NOISE) / RATE)
    assert similarity.si_sdr == pytest.approx(si_sdr(NOISE, rebuilt), abs=1e-6)
    assert similarity.mel_distance == pytest.approx(mel_distance(NOISE, rebuilt, RATE))


def test_silence_is_judged_by_the_loudest_moment():
    sound = np.zeros((RATE, 1), np.float32)
    assert is_silent(sound, RATE) and level_db(sound, RATE) == -np.inf
    sound[8000:8480, 0] = tick(RATE)
    assert not is_silent(sound, RATE)
    assert is_silent(1e-4 * NOISE, RATE) and not is_silent(0.1 * NOISE, RATE)
    assert level_db(np.full((RATE, 1), 0.1), RATE) == pytest.approx(-20)


def test_ticks_are_heard_at_the_bounces_and_nowhere_else():
    digits = load_digits("train", "compact")
    right = wanted = false = 0
    for index in range(40):
        clip = example("train", index, 33, digits)
        times = np.array(bounces(clip["scene"], 33)) / 8 if clip["audio"].any() else np.zeros(0)
        found, extra = matched(ticks(clip["audio"], RATE), times, 0.01)
        right, wanted, false = right + found, wanted + len(times), false + extra
    assert right == wanted > 40 and false == 0


def test_noise_and_tones_are_no_ticks():
    assert len(ticks(0 * NOISE, RATE)) == 0
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)[:, None]
    assert len(ticks(tone, RATE)) == 0
    assert len(ticks(NOISE[4000:] * np.linspace(0, 1, 12_000)[:, None], RATE)) <= 1
    with pytest.raises(ValueError, match="8000 Hz"):
        ticks(NOISE, 8_000)


def test_each_heard_tick_serves_one_bounce():
    assert matched(np.array([1.0, 1.05, 3.0]), np.array([1.01, 2.0]), 0.125) == (1, 2)
    assert matched(np.array([1.0, 1.1]), np.array([1.05, 1.12]), 0.125) == (2, 0)
    assert matched(np.zeros(0), np.array([1.0]), 0.125) == (0, 0)


def test_what_cannot_be_compared_is_refused():
    for a, b in [(NOISE, NOISE[1:]), (NOISE[:, 0], NOISE[:, 0]), (NOISE, NOISE.astype(int))]:
        with pytest.raises(ValueError):
            si_sdr(a, b)


@pytest.mark.slow
def test_a_tokenizer_that_rebuilds_silence_scores_so():
    config = AudioTokenizerConfig(strides=(80, 5), encoder_channels=(4, 4), decoder_channels=(4, 4), encoder_blocks=1)
    params = init_params(config, jax.random.key(0))
    params["decoder"]["loudness"]["bias"] -= 200.0
    scores = reconstruction(AudioTokenizer(config, params), clips=14, batch=8, num_frames=9)
    assert scores["clips"] == 14 and scores["si_sdr"] == -100 and scores["mel_distance"] > 1
    assert scores["words"] == 0 and scores["words_originals"] > 0.5
    assert scores["ticks"] == scores["false"] == scores["false_originals"] == 0 and scores["bounces"] > 0
    assert scores["ticks_originals"] == 1 and scores["silence"] in (1.0, None)
    json.dumps(scores, allow_nan=False)


@pytest.mark.long
@pytest.mark.slow
def test_the_shipped_tokenizer_keeps_words_ticks_and_silence():
    tokenizer = load().audio_tokenizer
    assert tokenizer is not None
    figures = reconstruction(tokenizer, clips=60)
    assert figures["words"] >= figures["words_originals"] - 0.06
    assert figures["ticks"] >= 0.95 and figures["false"] <= 0.05
    assert figures["silence"] == 1.0
