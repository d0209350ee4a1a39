"""Specialists: a request goes to the first language model of a model that was trained for all that it gives."""

import json
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest
from made.models import tiny_model, tiny_steered, tiny_teller

import reelm
from reelm.errors import RequestError
from reelm.lm.language_model import LanguageModel
from reelm.sampling.model import Model

TRACKS: dict[str, Any] = {"tracks": [[(0.0, (0.1, 0.5)), (1.0, (0.9, 0.5))]]}
PICTURES: dict[str, Any] = {"references": [np.full((20, 24, 3), 90, np.uint8)]}
SHOTS = [reelm.Shot("red", 0.5), reelm.Shot("a blue seven", 0.5)]


def read_by(lm: LanguageModel | None, text: Any) -> LanguageModel:
    assert lm is not None
    return replace(lm, text=text)


@pytest.fixture(scope="module")
def alone() -> dict[str, Model]:
    """The models whose language models are joined in `model`."""
    plain = tiny_model(sound=True)
    assert plain.lm is not None
    few = ("t2v", "continuation")
    steered = tiny_steered()
    assert steered.lm is not None
    return {
        "plain": replace(plain, lm=replace(plain.lm, tasks=few)),
        "steered": replace(steered, lm=replace(steered.lm, tasks=few)),
        "teller": tiny_teller(),
    }


@pytest.fixture(scope="module")
def model(alone) -> Model:
    plain = alone["plain"]
    specialists = (read_by(alone[name].lm, plain.lm.text) for name in ("steered", "teller"))
    return replace(plain, name="joined", specialists=tuple(specialists))


@pytest.mark.parametrize(
    ("who", "prompt", "asked"),
    [
        ("plain", "red", {}),
        ("plain", "red", {"num_frames": 29}),
        ("steered", "red", TRACKS),
        ("steered", "red", {**TRACKS, "motion": 0.5}),
        ("teller", "a red <1>", PICTURES),
        ("teller", None, {"storyboard": SHOTS}),
    ],
)
def test_a_clip_is_that_of_the_language_model_which_knows_what_is_given(alone, model, who, prompt, asked):
    asked = {"num_frames": 9, **asked} if prompt else asked
    clip, own = (each.generate(prompt, **asked) for each in (model, alone[who]))
    for name in ("video", "audio"):
        np.testing.assert_array_equal(clip.tokens[name], own.tokens[name])
    assert clip.info["model"] == "joined"
    pieces = list(model.stream(prompt, **asked))
    np.testing.assert_array_equal(np.concatenate([piece.tokens["video"] for piece in pieces]), clip.tokens["video"])


@pytest.mark.parametrize("asked", [{"motion": 0.5}, {"camera": "zoom in"}])
def test_the_first_language_model_draws_the_first_picture_if_only_camera_or_motion_steer(alone, model, asked):
    clip, plain, own = (
        each.generate("red", num_frames=9, **given).tokens
        for each, given in ((model, asked), (alone["plain"], {}), (alone["steered"], asked))
    )
    np.testing.assert_array_equal(clip["video"][0], plain["video"][0])
    np.testing.assert_array_equal(clip["audio"][:5], plain["audio"][:5])
    for other in (plain, own):
        assert not np.array_equal(clip["video"], other["video"])
    given = model.generate("red", num_frames=9, image=np.zeros((16, 24, 3), np.uint8), **asked).tokens["video"]
    expected = alone["steered"].generate("red", num_frames=9, image=np.zeros((16, 24, 3), np.uint8), **asked)
    np.testing.assert_array_equal(given, expected.tokens["video"])


def test_inputs_that_no_language_model_takes_together_are_refused(alone, model):
    with pytest.raises(RequestError, match="trained for each of these, but not together: .*tracks"):
        model.generate("a red <1>", **PICTURES, **TRACKS)
    with pytest.raises(RequestError, match="'plain' was not trained with tracks"):
        replace(alone["plain"], name="plain").generate("red", **TRACKS)


def test_a_model_folder_holds_specialists(tmp_path, model):
    model.save(tmp_path / "joined")
    again = reelm.load(tmp_path / "joined")
    assert [each.tasks for each in again.specialists] == [each.tasks for each in model.specialists]
    one, other = (each.generate("red", **TRACKS).tokens["video"] for each in (model, again))
    np.testing.assert_array_equal(one, other)
    about = again.info()
    assert about["specialist 1"]["steered by"].startswith("tracks of 2 subjects")
    assert "a storyboard" in (tmp_path / "joined" / "README.md").read_text("utf-8")


def test_specialists_are_stored_as_differences_too(tmp_path, model):
    for differences in (False, True):
        model.save(tmp_path / f"{differences}", dtype="int8", differences=differences)
    whole, small = (tmp_path / f"{differences}" / "lm_2.safetensors" for differences in (False, True))
    assert small.stat().st_size < 0.8 * whole.stat().st_size  # the rest is new, or scales of tiny matrices
    again = reelm.load(tmp_path / "True")
    own, read = (jax.tree.leaves(each.specialists[0].params) for each in (model, again))
    for right, made in zip(own, read, strict=True):  # random nets differ as much as they are large
        assert np.linalg.norm(made - right) <= 0.25 * np.linalg.norm(right)


def test_a_damaged_folder_of_specialists_is_refused(tmp_path, model):
    model.save(tmp_path / "joined")
    (tmp_path / "joined" / "lm_3.safetensors").unlink()
    with pytest.raises(RequestError, match=r"lm_3.safetensors is missing"):
        reelm.load(tmp_path / "joined")
    manifest = tmp_path / "joined" / "model.json"
    told = json.loads(manifest.read_text("utf-8"))
    del told["files"]["lm_2.safetensors"]
    manifest.write_text(json.dumps(told), "utf-8")
    with pytest.raises(RequestError, match="does not name the file lm_2.safetensors"):
        reelm.load(tmp_path / "joined")


def test_specialists_share_codes_and_words(alone, model):
    other = tiny_model(sound=False).lm
    assert other is not None
    for specialist in (other, read_by(alone["plain"].lm, other.text)):
        with pytest.raises(RequestError, match="knows other codes than the language model, or reads other words"):
            replace(model, specialists=(specialist,))
