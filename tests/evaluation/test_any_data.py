"""Tests of the evaluation of any model on any clips: likelihood, and comparison with generated clips."""

import numpy as np
import pytest

from reelm.cli.table import table, units
from reelm.data.arrays import ArrayClips
from reelm.errors import RequestError
from reelm.evaluation.features import latents
from reelm.evaluation.judges import real_clips
from reelm.evaluation.judges.real_clips import diversity, judged, of_captions
from reelm.evaluation.scores.likelihood import likelihood
from reelm.media.clip import Clip

RNG = np.random.default_rng(0)
VIDEO = RNG.integers(0, 256, (5, 17, 16, 24, 3)).astype(np.uint8)
WORDS = ["a red seven moves", "a blue two moves", "two", "seven", "red"]


def colours(clips: np.ndarray) -> np.ndarray:
    return clips.mean(axis=(1, 2, 3))


@pytest.mark.slow
def test_the_likelihood_of_clips_is_the_mean_of_their_scores(tiny_sound_model):
    done = []
    source = ArrayClips(VIDEO, WORDS)
    found = likelihood(tiny_sound_model, source, clips=3, batch=2, progress=lambda *counts: done.append(counts))
    scores = [tiny_sound_model.score(Clip(VIDEO[i, :13], 8.0), WORDS[i]) for i in range(3)]
    assert (found["clips"], found["frames"], done[-1]) == (3, 13, (3, 3))
    np.testing.assert_allclose(found["nats_per_code"], -np.mean(scores), rtol=1e-5)
    np.testing.assert_allclose(found["nats_first_frame"], -np.mean([each[0] for each in scores]), rtol=1e-5)
    bits = -np.sum(scores) / np.log(2) / (3 * 13 * 16 * 24)
    np.testing.assert_allclose(found["bits_per_pixel"], bits, rtol=1e-5)
    assert found["nats_without_words"] != found["nats_per_code"]
    assert likelihood(tiny_sound_model, source, clips=3, batch=3) == pytest.approx(found, rel=1e-5)
    with pytest.raises(RequestError, match="clips is 0, and the source holds 5"):
        likelihood(tiny_sound_model, source, clips=0)


def test_what_stands_still_is_told_from_what_moves(tiny_sound_model):
    video = np.full((2, 13, 16, 24, 3), 90, np.uint8)
    video[:, 6, :8, :8] = 120  # comes and goes within the second of the three later latent frames
    video[:, 1:, 8:, 16:] += 5  # too little to be motion
    found = likelihood(tiny_sound_model, ArrayClips(video, WORDS[:2]))
    scores = np.stack(
        [tiny_sound_model.score(Clip(each, 8.0), words) for each, words in zip(video, WORDS, strict=False)]
    )
    still = np.ones((2, 3, 2, 3), bool)
    still[:, 1, 0, 0] = False
    np.testing.assert_allclose(found["still"], 17 / 18)
    np.testing.assert_allclose(found["still_nats"], scores[:, 1:][still].sum() / scores[:, 1:].sum(), rtol=1e-4)
    assert "still" not in likelihood(tiny_sound_model, ArrayClips(video[:, :1], WORDS[:2]))


@pytest.mark.slow
def test_generated_clips_are_compared_with_those_of_their_captions(tiny_model, monkeypatch, tmp_path):
    monkeypatch.setattr(real_clips, "features_at_hand", lambda *_, **__: {"colours": colours})
    scores = of_captions(tiny_model, ArrayClips(VIDEO[:, :5], WORDS), clips=3, batch=2, sheets=tmp_path)
    assert set(scores) == {"generated", "rebuilt"} and (tmp_path / "generated.png").is_file()
    for row in scores.values():
        assert set(row) == {"clips", "frechet_colours", "diversity_colours"} and row["clips"] == 3
    with pytest.raises(RequestError, match="at least two clips"):
        of_captions(tiny_model, ArrayClips(VIDEO[:1, :5]))
    assert table(scores).splitlines()[0].split() == ["clips", "frechet_colours", "diversity_colours"]


def test_the_same_clips_are_at_no_distance_and_equal_ones_without_diversity():
    real = list(VIDEO)
    same, equal = judged(real, real, {"colours": colours}), judged(real[:1] * 5, real, {"colours": colours})
    assert same["frechet_colours"] < 1e-9 and same["diversity_colours"] == 1
    assert equal["diversity_colours"] == 0 and equal["frechet_colours"] > same["frechet_colours"]


def test_diversity_is_the_mean_distance_of_pairs():
    assert diversity(np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]])) == pytest.approx(10 / 3)
    assert diversity(np.full((4, 3), 1e6)) == 0


@pytest.mark.slow
def test_latents_tell_a_still_clip_from_one_that_moves():
    frame = RNG.integers(0, 256, (18, 20, 3)).astype(np.uint8)
    clips = np.stack([np.stack([frame] * 16), np.stack([np.roll(frame, 3 * t, 1) for t in range(16)])])
    still, moving = latents.features(clips)
    change = slice(len(still) // 3 * 2, None)
    assert len(still) % 3 == 0 and still[change].sum() < 0.6 * moving[change].sum()


def test_units_are_printed_once():
    assert units({"clips": 3, "psnr": 20.0}) == "units: psnr in dB, others are counts, shares of 1 or have none"
    grouped = {"all": {"flicker": 1.0, "psnr": 2.0}, "a": {"flicker": 1.0, "psnr": 2.0}}
    assert units(grouped).startswith("units: flicker in squared steps of 1/255, psnr in dB, others")
    steps = {"delta psnr": {f"step {n}": {"value": 1.0} for n in (1, 2)}, "tokenizer": {"psnr": {"value": 40.0}}}
    assert units(steps).startswith("units: delta psnr in dB, psnr in dB, others")
    assert units({"moves": 0.5}) == "units: figures are counts, shares of 1 or have none"
