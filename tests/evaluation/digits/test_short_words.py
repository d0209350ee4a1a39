"""Short prompts: a digit that is drawn counts, a black clip is counted as one."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from reelm.cli.commands.evaluate.generation import EvaluateGeneration
from reelm.data.moving_digits import scenes
from reelm.evaluation.by_task import TASKS
from reelm.evaluation.digits.short_words import from_short_words


class Draws:
    """A model that draws the digit of a prompt for even seeds, and nothing for odd ones."""

    def generate(self, prompt: list[str], *, num_frames: int, seed: int, best_of: int) -> list[Any]:
        digits = scenes.digits_for("test")
        drawn = []
        for words in prompt:
            (digit,) = (number for number, name in enumerate(scenes.DIGIT_WORDS) if name in words.split())
            image = int(digits.of_digit[digit][0])
            mover = scenes.Mover(digit=digit, colour="white", direction="right", slow=False, image=image, start=(5, 18))
            video = scenes.render(scenes.Scene((mover,)), digits, num_frames)
            drawn.append(SimpleNamespace(video=video * np.uint8(seed % 2 == 0)))
        return drawn


def test_drawn_digits_and_black_clips_are_counted():
    scores = from_short_words(Draws(), clips=20, num_frames=9)
    for kind in ("digit", "moves"):
        row = scores[kind]
        assert row["black"] == 0.5 and 0.4 <= row["digit"] <= 0.5
        assert row["digit_interval"][0] <= row["digit"] <= row["digit_interval"][1]
    assert from_short_words(Draws(), clips=5, num_frames=9)["digit"]["black"] == 0


def test_decoding_is_measured_as_it_is_asked_for(monkeypatch, capsys, tiny_model):
    seen = []
    monkeypatch.setitem(TASKS, "words", lambda model, **asked: seen.append(model.defaults) or {"clips": 1})
    monkeypatch.setattr("reelm.load", lambda *args, **kwargs: tiny_model)
    EvaluateGeneration(cfg_scale=3.0, min_p=(0.5,), json=True).run()
    EvaluateGeneration(json=True).run()
    scales = {name: 3.0 for name in ("cfg_scale", "sound_cfg_scale", "motion_cfg_scale")}
    asked = replace(tiny_model.defaults, **scales, min_p=(0.5,), motion_min_p=(0.5,))
    assert seen == [asked, tiny_model.defaults]
