"""Words for a clip or a sound that has none, and what they are used for."""

from dataclasses import replace

import numpy as np
import pytest

import reelm
from reelm.cli.main import main
from reelm.data.moving_digits import scenes as moving_digits
from reelm.errors import RequestError
from reelm.evaluation.digits.generation import prompts
from reelm.evaluation.digits.sound_and_picture import _digits_in, _real_tracks

WORDS = {"blue", "red", "seven", "two"}


@pytest.fixture(scope="module")
def clip(tiny_sound_model):
    return tiny_sound_model.generate("blue seven", num_frames=5, seed=3)


@pytest.fixture(scope="module")
def sound():
    return np.random.default_rng(0).uniform(-0.5, 0.5, 3_250).astype(np.float32)  # thirteen frames long


def test_either_may_be_missing_and_each_that_is_there_counts(tiny_sound_model, clip):
    describer, video, sound = tiny_sound_model.describer, clip.tokens["video"], clip.tokens["audio"]
    seen, heard, both = describer(video, None), describer(None, sound), describer(video, sound)
    assert seen.keys() == WORDS and all(0 < chance < 1 for chance in both.values())
    assert len({tuple(chances.values()) for chances in (seen, heard, both)}) == 3
    assert describer(video[:1], None) != seen and describer(video[::-1], None) != seen
    assert describer(None, sound[::-1]) != heard
    longer = np.concatenate([video, video]), np.concatenate([sound, sound])
    assert describer(*longer) == both  # only the beginning is read
    with pytest.raises(RequestError, match="nothing to describe"):
        describer(None, None)


def test_what_is_likely_and_unusual_is_said(tiny_model, clip):
    video, describer = clip.tokens["video"], tiny_model.describer
    chances = describer(video, None)
    by_chance = sorted(chances, key=lambda word: -chances[word])

    def likely(usual: float) -> list[str]:
        return replace(describer, config=replace(describer.config, usual=(usual,) * 4)).likely(video, None)

    assert likely(0.2) == [word for word in by_chance if chances[word] >= 0.5] != []
    assert likely(0.01) == []  # a caption never has so many words
    assert likely(1.0) == []
    assert likely(chances[by_chance[0]]) == []  # no more than of other clips
    assert likely(0.9 * chances[by_chance[0]]) == by_chance[:1]  # a little more: doubtful, and all there is


@pytest.mark.slow
def test_the_words_stand_in_the_order_of_the_likeliest_prompt(tiny_model):
    for seed in range(3):
        clip = tiny_model.generate("blue seven", num_frames=5, seed=seed)
        said = tiny_model.describe(clip).split()
        likely = tiny_model.describer.likely(clip.tokens["video"], None)
        assert sorted(said) == sorted(likely)
        if len(likely) > 1:  # the last word went where it serves best
            others = [word for word in said if word != likely[-1]]
            near = [" ".join([*others[:i], likely[-1], *others[i:]]) for i in range(len(likely))]
            scores = [tiny_model.score(clip, prompt).sum() for prompt in near]
            assert scores[near.index(" ".join(said))] >= max(scores) - 1e-3


def test_files_and_sounds_are_read(tiny_sound_model, clip, sound, tmp_path, capsys):
    clip.save(tmp_path / "clip.mp4")
    tiny_sound_model.save(tmp_path / "model")
    for path, argument in ((tmp_path / "clip.mp4", "video"), (tmp_path / "clip.mp4", "audio")):
        said = tiny_sound_model.describe(**{argument: path})
        assert set(said.split()) <= WORDS
        command = ["describe", *(["--audio"] if argument == "audio" else []), str(path)]
        assert main([*command, "--model", str(tmp_path / "model")]) == 0
        assert capsys.readouterr().out == said + "\n"
    for short in (sound[:300], sound[:1]):  # beside the first picture alone, and shorter than that
        assert set(tiny_sound_model.describe(audio=short).split()) <= WORDS


def test_what_cannot_be_described_is_said(tiny_sound_model, clip, capsys):
    with pytest.raises(RequestError, match="a video or an audio"):
        tiny_sound_model.describe()
    with pytest.raises(RequestError, match="has no describer"):
        replace(tiny_sound_model, describer=None).describe(clip)
    assert main(["describe"]) == 2
    assert "a video or an audio" in capsys.readouterr().err


@pytest.mark.slow
def test_a_clip_without_words_gets_the_sound_of_its_description(tiny_sound_model):
    video = np.random.default_rng(0).integers(0, 256, (5, 16, 24, 3), np.uint8)
    alone = tiny_sound_model.generate(video=video, seed=1)
    assert alone.info["prompt"] == "" and alone.info["described"] == tiny_sound_model.describe(video)
    said = tiny_sound_model.generate(alone.info["described"], video=video, seed=1)
    np.testing.assert_array_equal(alone.audio, said.audio)
    assert "described" not in said.info
    mute = replace(tiny_sound_model, describer=None).generate(video=video, seed=1)
    assert "described" not in mute.info


@pytest.mark.slow
def test_a_clip_without_words_goes_on_by_its_description(tiny_model):
    video = np.random.default_rng(0).integers(0, 256, (5, 16, 24, 3), np.uint8)
    alone = tiny_model.generate(video=video, num_frames=9, seed=1)
    assert alone.info["prompt"] == "" and alone.info["described"] == tiny_model.describe(video) != ""
    said = tiny_model.generate(alone.info["described"], video=video, num_frames=9, seed=1)
    np.testing.assert_array_equal(alone.video, said.video)
    still = tiny_model.generate(image=video[0], num_frames=5, seed=1)
    assert still.info["described"] == tiny_model.describe(video[:1])


@pytest.mark.slow
def test_a_sound_without_words_gets_the_pictures_of_its_description(tiny_sound_model, sound):
    alone = tiny_sound_model.generate(audio=sound, num_frames=13, seed=1)
    assert alone.info["described"] == tiny_sound_model.describe(audio=sound)
    said = tiny_sound_model.generate(alone.info["described"], audio=sound, num_frames=13, seed=1)
    np.testing.assert_array_equal(alone.video, said.video)


@pytest.mark.long
@pytest.mark.slow
def test_the_shipped_model_says_nothing_of_noise():
    model, rng = reelm.load(), np.random.default_rng(0)
    blocks = rng.integers(0, 256, (5, 8, 8, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    for video in (blocks, rng.integers(0, 256, (5, 64, 64, 3), np.uint8)):
        sounding = reelm.Clip(video, 8.0, rng.uniform(-0.5, 0.5, (10_000, 1)).astype(np.float32), 16_000)
        assert model.describe(video) == model.describe(sounding) == ""


@pytest.mark.long
@pytest.mark.slow
def test_the_shipped_model_names_handwriting_and_voices_that_it_never_met():
    model, digits = reelm.load(), moving_digits.digits_for("test", "compact")
    scenes, _ = prompts("trained", 5, seed=1)
    digit = [[scene.movers[0].digit] for scene in scenes]
    seen = [model.describe(moving_digits.render(scene, digits, 5)) for scene in scenes]
    heard = [model.describe(audio=track[:16_000]) for track in _real_tracks(scenes, 17, 1)]
    for said in (seen, heard):
        assert sum(sorted({*_digits_in(words)}) == name for words, name in zip(said, digit, strict=True)) >= 4
    assert sum(scene.movers[0].colour in words.split() for scene, words in zip(scenes, seen, strict=True)) >= 4
