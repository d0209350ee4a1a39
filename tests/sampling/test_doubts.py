"""Warnings about given pictures that a model does not know, and about parts of a clip that words do not change."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made.models import tiny_director, tiny_model

import reelm
from reelm.data.moving_digits import scenes
from reelm.lm.training_domain import TrainingDomain
from reelm.sampling.arguments import read_arguments
from reelm.sampling.planning.plan import plan

SIZE = {"height": 16, "width": 24}


def said(model: Any, prompt: Any, **asked: Any) -> list[str]:
    (found,) = plan(model, prompt, *read_arguments(asked)).choice.warnings
    return list(found)


@pytest.fixture(scope="module")
def director():
    model = tiny_director()
    assert model.lm is not None
    domain = TrainingDomain(words=("a", "red", "blue", "seven", "two", "moves"))
    return replace(model, lm=replace(model.lm, training_domain=domain))


@pytest.fixture(scope="module")
def roomy():
    """A model that long prompts fit."""
    model = tiny_model(sound=False)
    assert model.lm is not None
    return replace(model, lm=replace(model.lm, config=replace(model.lm.config, prefix=64)))


@pytest.fixture(scope="module")
def clip(director):
    noise = np.random.default_rng(0).integers(0, 256, (17, 16, 24, 3), np.uint8)
    return reelm.Clip(video=noise, fps=8.0, info={"prompt": "a red seven"})


@pytest.mark.slow
def test_a_picture_that_the_codes_of_a_model_do_not_show_is_named():
    demo = reelm.load("demo")
    digit = scenes.example("held_out", 0, 9)["video"]
    across = np.linspace(0, 255, 64).astype(np.uint8)
    photo = np.stack(np.broadcast_arrays(across[:, None], across[None], 128), axis=-1).astype(np.uint8)
    assert not said(demo, "a red seven", image=digit[0], last_image=digit[8])
    assert not said(demo, "a red seven", video=digit, num_frames=17)
    why = "with what it knows: it has no codes for such a picture"
    assert said(demo, "a red seven", image=photo, keyframes={4: photo, 8: digit[8]}) == [
        f"demo redraws keyframe 4 {why}",
        f"demo redraws the image {why}",
    ]
    film = np.repeat(photo[None], 9, axis=0)
    assert said(demo, "a red seven", video=film, num_frames=17) == [f"demo redraws the video {why}"]
    with pytest.raises(reelm.RequestError, match="redraws the image"):
        said(demo, "a red seven", image=photo, strict=True)


@pytest.mark.parametrize("mark", ["(a red seven:1.3)", "( red : .5 )", "<lora:seven:0.8>", "{red|blue}", "(蓝色:1.2)"])
def test_marks_of_other_programs_are_named(roomy, mark):
    said_of = [f"{mark!r} weighs or chooses nothing: all that stands in it counts as words"]
    assert said(roomy, f"{mark} moves") == said_of
    changing = [(0.0, "red"), (1.0, f"{mark} moves"), (1.5, mark)]
    assert said(roomy, changing, num_frames=17) == said_of


def test_other_marks_are_words(roomy):
    for prompt in ("red (seven)", "at 10:30 (noon)", "a <1> and <2>", "{red}", "red | blue", "3:2 (wide)"):
        assert not said(roomy, prompt), prompt


def test_a_given_picture_is_read_once(tiny_model, caplog):
    said(
        tiny_model,
        "red",
        image=np.full((16, 24, 3), 0.5, np.float32) * np.linspace(0, 1, 24, dtype=np.float32)[:, None],
    )
    assert len([each for each in caplog.records if "lies in [0, 1]" in each.message]) == 1


def test_nothing_is_said_of_pictures_where_the_training_is_not_known(tiny_model):
    noise = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    assert not said(tiny_model, "red", image=noise)


def test_other_words_for_a_part_of_a_clip_are_doubted(director, clip, tmp_path):
    def doubts(prompt: str, video: Any) -> list[str]:
        return [each for each in said(director, prompt, video=video, retake=(1.0, 2.0)) if "anew" in each]

    doubt = ["director makes a part anew by what is around it: words other than the clip's may change nothing"]
    assert doubts("a blue two", clip) == doubt
    assert not doubts("A red  seven", clip) and not doubts("", clip)
    assert not doubts("a blue two", clip.video)  # nobody knows its words
    clip.save(tmp_path / "clip.mp4")
    assert doubts("a blue two", tmp_path / "clip.mp4") == doubt
    changing = replace(clip, info={"prompt": [[0.0, "a red seven"], [1.0, "a blue two"]]})
    assert doubts("a red seven", changing) == doubt


def test_a_shot_that_is_made_anew_between_others_is_doubted(director, clip):
    shots = [reelm.Shot("a red seven", 1.0), reelm.Shot("a blue two", 1.0)]
    [doubt] = [each for each in said(director, None, storyboard=shots, video=clip, retake=(1.0, 2.0)) if "anew" in each]
    assert doubt == "director never saw cuts around a part that is made anew: the shots beside it may leak into it"
