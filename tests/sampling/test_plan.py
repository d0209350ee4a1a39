"""A planned request is plain values: stored and read again, or planned by another process, it gives the same clip."""

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made.models import tiny_teller

import reelm
from reelm.media.clip import Clip
from reelm.sampling.arguments import read_arguments
from reelm.sampling.generate import joined, stream
from reelm.sampling.model import Model
from reelm.sampling.planning.inputs import read_inputs
from reelm.sampling.planning.plan import plan
from reelm.sampling.request import Request

PICTURE = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
ASKED: dict[str, dict[str, Any]] = {
    "words": {"prompt": "a red seven"},
    "picture": {"prompt": "a red seven", "keyframes": {4: PICTURE}, "num_frames": 9},
    "camera": {"prompt": "a red seven", "camera": "zoom in", "num_frames": 9},
    "shots": {"storyboard": [reelm.Shot("a <1>", 1.0), reelm.Shot("two", 1.0)], "references": [PICTURE]},
}


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_teller()


def planned(model: Model, prompt: Any = None, **asked: Any) -> Request:
    return plan(model, prompt, *read_arguments({"temperature": 5.0, "seed": 3, **asked}))


def drawn(request: Request) -> Clip:
    assert request.stream.length is not None
    [clip] = joined(stream(request), request.stream.length)
    return clip


@pytest.mark.slow
@pytest.mark.parametrize("kind", ASKED)
def test_a_stored_request_gives_the_same_clip(model, kind):
    request = planned(model, **ASKED[kind])
    values = pickle.loads(pickle.dumps((request.inputs, request.choice, request.stream)))
    one, other = drawn(request), drawn(Request(model, *values))
    np.testing.assert_array_equal(one.video, other.video)
    assert one.info == other.info


def test_what_is_given_is_decoded_before_a_language_model_is_chosen(model):
    assert model.lm is not None
    asked = read_arguments({"keyframes": {4: PICTURE}, "num_frames": 9, "camera": "zoom in"})
    inputs = read_inputs(model, "a red seven", *asked, endless=False)
    silent = replace(model, lm=replace(model.lm, tasks=("t2v",)))  # may not draw it
    again = read_inputs(silent, "a red seven", *asked, endless=False)
    np.testing.assert_array_equal(inputs.conditions.pictures[4], again.conditions.pictures[4])
    np.testing.assert_array_equal(inputs.conditions.steering.camera, again.conditions.steering.camera)
    with pytest.raises(reelm.RequestError, match="not trained"):
        plan(silent, "a red seven", *asked)


def test_a_request_is_planned_while_another_thread_draws(model):
    with ThreadPoolExecutor(1) as worker:
        drawing = worker.submit(model.generate, "a red seven", num_frames=9, seed=3)
        request = planned(model, "two", keyframes={4: PICTURE}, num_frames=9)
        drawing.result()
    np.testing.assert_array_equal(
        drawn(request).video, drawn(planned(model, "two", keyframes={4: PICTURE}, num_frames=9)).video
    )


def test_a_track_is_checked_once(model, monkeypatch):
    counted, check = [], sys.modules["reelm.lm.control.tracks"].read_tracks
    for name in ("sources", "storyboard"):
        module = sys.modules[f"reelm.sampling.conditions.{name}"]
        monkeypatch.setattr(module, "read_tracks", lambda tracks: counted.append(1) or check(tracks))
    shot = reelm.Shot("a red seven", 1.0, tracks=[[(0.0, (0.2, 0.5))]])
    with pytest.raises(reelm.RequestError, match="not trained with tracks"):
        planned(model, storyboard=[shot])
    assert len(counted) == 1
