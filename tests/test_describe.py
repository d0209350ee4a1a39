"""Words for a clip: those that the model itself finds likeliest, and what they are used for."""

import numpy as np
import pytest

import reelm
from reelm.cli import main
from reelm.tokenizer.text import TextTokenizer
from reelm.train import moving_digits
from reelm.train.evaluate import prompts

WORDS = ["red", "blue", "seven", "two"]


@pytest.fixture(scope="module")
def clip(tiny_model):
    return tiny_model.generate("blue seven", num_frames=5, seed=3)


def test_a_tokenizer_knows_its_words():
    words = TextTokenizer.train([f"a {word} moves" for word in WORDS] * 5, 300).words
    assert {"a", "moves", *WORDS} <= set(words) and all(word.strip() == word != "" for word in words)


def test_no_word_more_or_less_saves_what_it_costs(tiny_model, clip):
    said = tiny_model.describe(clip, WORDS).split()
    assert set(said) <= set(WORDS)
    cost = lambda words: 1.5 * len(words) - tiny_model.score(clip, " ".join(words)).sum()  # noqa: E731
    more = [[*said[:place], word, *said[place:]] for word in set(WORDS) - {*said} for place in range(len(said) + 1)]
    less = [said[:place] + said[place + 1 :] for place in range(len(said))]
    assert cost(said) < min(map(cost, more + less)) + 1e-3
    assert cost(said) <= cost([])


def test_words_may_be_phrases_and_files_are_read(tiny_model, clip, tmp_path, capsys):
    clip.save(tmp_path / "clip.mp4")
    tiny_model.save(tmp_path / "model")
    said = tiny_model.describe(tmp_path / "clip.mp4", ["red seven", "two moves"])
    assert said in ("", "red seven", "two moves", "red seven two moves", "two moves red seven")
    command = ["describe", str(tmp_path / "clip.mp4"), "--model", str(tmp_path / "model")]
    assert main([*command, "--words", "red seven", "two moves"]) == 0
    assert capsys.readouterr().out == said + "\n"


@pytest.mark.slow
def test_a_clip_without_words_gets_the_sound_of_its_description(tiny_sound_model):
    video = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)
    alone = tiny_sound_model.generate(video=video, seed=1)
    assert alone.info["prompt"] == ""
    said = tiny_sound_model.generate(alone.info["described"], video=video, seed=1)
    np.testing.assert_array_equal(alone.audio, said.audio)
    assert "described" not in said.info


@pytest.mark.slow
def test_the_shipped_model_tells_digits_that_it_never_saw():
    model, digits = reelm.load(), moving_digits.digits_for("test", "compact")
    scenes, _ = prompts("trained", 10, seed=1)
    said = [model.describe(moving_digits.render(scene, digits, 5)).split() for scene in scenes]
    names = [(str(scene.movers[0].digit), moving_digits.DIGIT_WORDS[scene.movers[0].digit]) for scene in scenes]
    assert sum(any(name in words for name in both) for both, words in zip(names, said, strict=True)) >= 7
    assert sum(scene.movers[0].colour in words for scene, words in zip(scenes, said, strict=True)) >= 7
