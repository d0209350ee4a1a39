"""A camera whose view of the first frame is shown to the net: each clip's own, however the clip is decoded."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made.models import tiny_model
from made.parameters import random_params

import reelm
from reelm.errors import RequestError
from reelm.lm.control.field import of_source
from reelm.lm.control.structure import structure_ids
from reelm.lm.language_model import LanguageModel
from reelm.lm.net import transformer
from reelm.media.view import seen
from reelm.sampling.arguments import read_arguments
from reelm.sampling.decoding.windows import ControlFields
from reelm.sampling.planning.plan import plan

PAN = [(0.0, reelm.Camera()), (1.5, reelm.Camera(pan=(0.5, -0.2), zoom=2.0))]


@pytest.fixture(scope="module")
def model():
    """The tiny model, which knows silhouettes and what a camera sees."""
    model = tiny_model(sound=False)
    assert model.lm is not None
    config = replace(model.lm.config, structures=("silhouette", "view"), camera=True)
    params = random_params(transformer.init_params, config, 2, noise=0.4)
    return replace(model, name="seen", lm=LanguageModel(config, params, model.lm.text, model.lm.tasks))


def views(model, clip, **asked) -> np.ndarray:
    """The codes int32 `[t, h, w]` of the view that the net is shown for a clip; -1 where there is none."""
    request = plan(model, "red", *read_arguments(asked))
    first, [shot], fields = clip.tokens["video"][None, 0], request.stream.shots, ControlFields(request.drawer)
    shown = [fields.at(shot, now, first) for now in range(len(clip.tokens["video"]))]
    config, field = model.lm.config, np.concatenate([each for each in shown if each is not None])
    ids, there = structure_ids(of_source(config.channels, "structure", field), config.bits)
    return np.where(there, ids, -1)


def test_the_net_is_shown_what_the_camera_sees_of_the_first_frame(model):
    clip = model.generate("red", num_frames=13, camera=PAN)
    path = np.array([[*(t / 12 * np.array([0.5, -0.2])), t / 12] for t in range(13)])
    first = model.video_tokenizer.decode(clip.tokens["video"][:1])[0]
    expected = model.video_tokenizer.encode(seen(first.repeat(13, axis=0), path, first.shape[1:3]))[0]
    shown = views(model, clip, num_frames=13, camera=PAN)
    np.testing.assert_array_equal(shown[1:], expected[1:])
    assert (shown[0] == -1).all()  # it is not there yet


def test_a_control_clip_is_followed_in_place_of_the_view(model):
    asked = {"control": np.full((13, 16, 24, 3), 255, np.uint8), "control_kind": "silhouette", "num_frames": 13}
    clip = model.generate("red", **asked)
    np.testing.assert_array_equal(views(model, clip, camera=PAN, **asked), views(model, clip, **asked))


def test_no_way_of_decoding_changes_the_clip(model):
    asked = {"num_frames": 25, "camera": PAN}  # two windows
    clip = model.generate("red", decoding="sequential", **asked).tokens["video"]
    parallel = model.generate("red", decoding="parallel", **asked).tokens["video"]
    np.testing.assert_array_equal(parallel, clip)
    pieces = [piece.tokens["video"] for piece in model.stream("red", **asked)]
    np.testing.assert_array_equal(np.concatenate(pieces), clip)


def test_each_clip_of_a_batch_has_a_view_of_its_own(model):
    together = model.generate(["red", "blue"], num_frames=13, camera=PAN)
    for words, clip in zip(("red", "blue"), together, strict=True):
        alone = model.generate(words, num_frames=13, camera=PAN)
        np.testing.assert_array_equal(clip.tokens["video"], alone.tokens["video"])


def test_the_first_picture_is_that_of_the_words_alone_where_another_language_model_draws_it(model):
    plain, asked = tiny_model(sound=False), {"num_frames": 13, "camera": PAN}
    assert model.lm is not None and plain.lm is not None
    both: Any = replace(plain, specialists=(replace(model.lm, text=plain.lm.text),))
    of_words = both.generate(["red", "blue"], num_frames=13)
    made = both.generate(["red", "blue"], **asked)
    for clip, other, prompt in zip(made, of_words, ("red", "blue"), strict=True):
        codes = clip.tokens["video"]
        np.testing.assert_array_equal(codes[0], other.tokens["video"][0])
        assert not np.array_equal(codes[1:], other.tokens["video"][1:])
        assert not np.array_equal(codes, model.generate(prompt, **asked).tokens["video"])
    pieces = [piece.tokens["video"] for piece in both.stream("red", **asked)]
    np.testing.assert_array_equal(np.concatenate(pieces), made[0].tokens["video"])
    one_by_one = both.generate("red", decoding="sequential", **asked).tokens["video"]
    np.testing.assert_array_equal(one_by_one, made[0].tokens["video"])


def test_a_view_is_not_a_control_clip_of_the_user(model):
    assert model.info()["language model"]["steered by"] == "control (silhouette), camera"
    with pytest.raises(RequestError, match="control_kind is 'view'"):
        model.generate("red", control=np.zeros((5, 16, 24, 3), np.uint8), control_kind="view")


def test_a_net_without_a_camera_sees_nothing(model):
    with pytest.raises(RequestError, match="a view is what a camera sees"):
        replace(model.lm.config, camera=False)
