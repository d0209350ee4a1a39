"""Of several clips drawn for one request the one that fits best comes back, and can be made again alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import reelm
from reelm.cli.main import main
from reelm.errors import RequestError
from reelm.lm.likelihood import nats_of
from reelm.lm.prefix import ClipCodes
from reelm.lm.prompts import prompt_prefix
from reelm.sampling import best_of, given
from reelm.sampling.conditions.conditions import Conditions
from reelm.sampling.request import Stretch

HOT: dict[str, Any] = {"cfg_scale": 1.0, "min_p": 0.0}  # clips of other seeds differ


def test_the_first_seed_is_the_one_asked_for_and_none_is_that_of_a_sample_beside_it():
    seeds = [best_of.seeds_of(seed, 16) for seed in (0, 1, 7, 2**32 - 1)]
    assert [each[0] for each in seeds] == [0, 1, 7, 2**32 - 1]
    every = [seed for each in seeds for seed in each]
    assert len(set(every)) == len(every) and all(0 <= seed < 2**32 for seed in every)
    assert best_of.seeds_of(5, 3) == best_of.seeds_of(5, 16)[:3]


def test_a_caption_fits_by_its_words_and_by_those_it_lacks(tiny_sound_model):
    describer = tiny_sound_model.describer
    video = np.random.default_rng(0).integers(0, 2**10, (2, 2, 3), np.int32)
    chances = describer(video, None)
    assert any(0.01 < chance < 0.99 for chance in chances.values())
    logs = lambda word, said: np.log(max(chances[word], 0.01) if said else max(1 - chances[word], 0.4))  # noqa: E731
    expected = logs("red", True) + logs("seven", True) + logs("blue", False) + logs("two", False)
    for caption in ("Red seven", "a red 7, moving"):  # words that say the same are one, others are not known
        assert describer.log_likelihood(caption, video, None) == pytest.approx(expected)


@pytest.mark.slow
def test_the_clip_that_fits_best_is_that_of_its_own_seed(tiny_sound_model):
    model = tiny_sound_model
    prompts = ["blue seven", "red two"]
    chosen = model.generate(prompts, num_frames=5, num_samples=2, seed=3, best_of=3, **HOT)
    assert [clip.info["seed"] for clip in chosen] == [3, 4, 3, 4]
    for clip, prompt in zip(chosen, np.repeat(prompts, 2), strict=True):
        assert clip.info["best_of"] == 3 and clip.info["prompt"] == prompt
        drawn = [
            model.generate(str(prompt), num_frames=5, seed=s, **HOT) for s in best_of.seeds_of(clip.info["seed"], 3)
        ]
        read = model.describer.log_likelihood
        fits = [read(prompt, each.tokens["video"], None) + read(prompt, None, each.tokens["audio"]) for each in drawn]
        best = drawn[int(np.argmax(fits))]
        assert clip.info["drawn_seed"] == best.info["seed"]
        np.testing.assert_array_equal(clip.tokens["video"], best.tokens["video"])
        np.testing.assert_array_equal(clip.tokens["audio"], best.tokens["audio"])
        # Decoders of another batch size round some pixels the other way.
        np.testing.assert_allclose(clip.video.astype(int), best.video, rtol=0, atol=1)
    # Somewhere it was not the first.
    assert any(clip.info["drawn_seed"] != clip.info["seed"] for clip in chosen)


def test_a_long_clip_fits_by_all_its_stretches_and_the_words_of_each(tiny_sound_model):
    model, describer = tiny_sound_model, tiny_sound_model.describer
    length, stride = describer.config.frames, model.video_tokenizer.config.time_stride
    codes = np.random.default_rng(0).integers(0, 2**10, (2 * length + 1, 2, 3), np.int32)
    video = np.random.default_rng(1).integers(0, 256, (1 + stride * 2 * length, 16, 24, 3), np.uint8)
    clip = reelm.Clip(video=video, fps=8, tokens={"video": codes, "audio": None})
    later = model.video_tokenizer.encode(video[stride * length][None])[0]
    later = np.concatenate([later, codes[length + 1 : 2 * length]])
    for script in ([Stretch(0, "red seven")], [Stretch(0, "red seven"), Stretch(length, "blue two")]):
        fits = best_of.fit(model, script, Conditions(num_frames=None, time_stride=4, known=codes[:0]), [clip])
        expected = [describer.log_likelihood(script[0].words, codes[:length], None)]
        expected.append(describer.log_likelihood(script[-1].words, later, None))
        assert expected[0] != expected[1] and fits == pytest.approx(np.mean(expected))


def test_a_clip_that_shows_nothing_fits_worst(tiny_model):
    model, none = replace(tiny_model, describer=None), Conditions(5, 4, np.zeros((0, 2, 3), np.int32))
    video = np.full((3, 5, 16, 24, 3), 7, np.uint8)
    video[1, 2:, 4:6, 4:6] = 200
    fits = best_of.fit(model, [Stretch(0, "red seven")], none, [reelm.Clip(each, 8) for each in video])
    assert fits.tolist() == [-np.inf, 0, -np.inf] and fits.argmax() == 1


@pytest.mark.slow
def test_of_several_clips_for_a_sound_the_one_comes_back_beside_which_it_is_likeliest(tiny_sound_model):
    model = replace(tiny_sound_model, describer=None)
    lm, rate = model.language_model(), model.audio_tokenizer.config.sample_rate
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (13 * rate // 8, 1)).astype(np.float32)
    asked: dict[str, Any] = {"audio": (sound, rate), "num_frames": 13, **HOT}
    best = model.generate(seed=5, best_of=4, **asked)
    draws = [model.generate(seed=seed, **asked) for seed in best_of.seeds_of(5, 4)]
    tokens = {key: np.stack([draw.tokens[key] for draw in draws]) for key in ("video", "audio")}
    assert (tokens["audio"] == tokens["audio"][0]).all() and len(np.unique(tokens["video"], axis=0)) == 4
    prefix = prompt_prefix(lm.config, lm.text, [""] * 4, rows=2, columns=3, fps=8)
    nats = nats_of(lm.config, lm.params, prefix, ClipCodes(video=tokens["video"], sound=tokens["audio"])).sound
    likely = -np.asarray(nats)[:, :, 0].sum(axis=1)  # the first level alone
    assert np.ptp(likely) > 0.01 and best.info["drawn_seed"] == draws[int(np.argmax(likely))].info["seed"]


@pytest.mark.parametrize("length", [1, 3, 4, 5, 11])
def test_a_long_sound_counts_once_window_by_window(length):
    parts = list(given.windows(frames=4, overlap=2, length=length))
    assert [now for part in parts for now in range(part.begins, part.end)] == list(range(length))
    assert parts[0].first == 0 and all(part.end - part.first <= 4 for part in parts)
    assert all(part.begins - part.first == 2 for part in parts[1:])


@pytest.mark.slow
def test_given_pictures_decide_without_words(tiny_model):
    rng = np.random.default_rng(0)
    first, last = rng.integers(0, 256, (2, 16, 24, 3), np.uint8)
    how = {"image": first, "last_image": last, "num_frames": 5, **HOT}
    model = replace(tiny_model, describer=None)
    chosen = model.generate(seed=1, best_of=4, **how)
    wanted = model.video_tokenizer.reconstruct(last[None])[0].astype(float)
    drawn = [model.generate(seed=seed, **how) for seed in best_of.seeds_of(1, 4)]
    off = [np.mean((clip.video[-1] - wanted) ** 2) for clip in drawn]
    assert len(set(off)) == 4
    np.testing.assert_array_equal(chosen.video, drawn[int(np.argmin(off))].video)


def test_where_nothing_tells_which_is_better_it_is_said(tiny_model, tmp_path, capsys):
    with pytest.raises(RequestError, match="chooses by the prompt"):
        tiny_model.generate(best_of=2)
    with pytest.raises(RequestError, match="has no describer"):
        replace(tiny_model, describer=None).generate("red seven", best_of=2)
    with pytest.raises(RequestError, match="best_of is 0; it must be 1 or more"):
        tiny_model.generate("red seven", best_of=0)
    with pytest.raises(RequestError, match="use generate"):
        next(tiny_model.stream("red seven", best_of=2))
    assert main(["generate", "red seven", "-o", str(tmp_path / "clip.mp4"), "--best-of", "0"]) == 2
    assert "best_of is 0" in capsys.readouterr().err


@pytest.mark.slow
def test_resuming_knows_a_clip_that_was_chosen(tiny_model, tmp_path, capsys):
    tiny_model.save(tmp_path / "model")
    command = ["generate", "red seven", "-o", str(tmp_path / "clip.mp4"), "--num-frames", "5"]
    command += ["--model", str(tmp_path / "model"), "--best-of", "3", "--seed", "2"]
    assert main(command) == 0
    info = reelm.Clip.open(tmp_path / "clip.mp4").info
    assert (info["seed"], info["best_of"]) == (2, 3)
    made = (tmp_path / "clip.mp4").stat().st_mtime_ns
    capsys.readouterr()
    assert main([*command, "--resume"]) == 0
    assert (tmp_path / "clip.mp4").stat().st_mtime_ns == made and not capsys.readouterr().out
    assert main([*command[:-4], "--best-of", "2", "--seed", "2", "--resume"]) == 0
    assert (tmp_path / "clip.mp4").stat().st_mtime_ns != made
