"""Tracks, control clips, cameras and motion in `generate`: exact however a clip is decoded, and refused in a line."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made.models import tiny_steered

import reelm
from reelm.errors import RequestError
from reelm.lm.training_domain import TrainingDomain
from reelm.sampling.arguments import read_arguments
from reelm.sampling.planning.plan import plan

TRACK = [(0.0, (0.1, 0.5)), (1.0, (0.9, 0.5))]
STEERED = {
    "tracks": {"tracks": [TRACK]},
    "two tracks": {"tracks": [None, TRACK]},
    "silhouette": {"control": np.full((13, 16, 24, 3), 255, np.uint8), "control_kind": "silhouette"},
    "camera": {"camera": "zoom in"},
    "numbers": {"camera": [(0.0, reelm.Camera()), (1.0, reelm.Camera(orbit=40.0, zoom=2.0, rise=0.2))]},
    "motion": {"motion": 0.9},
}


@pytest.fixture(scope="module")
def model():
    return tiny_steered()


@pytest.fixture(scope="module")
def plain(model):
    return model.generate("red", num_frames=13).tokens["video"]


@pytest.mark.parametrize("how", STEERED)
def test_what_steers_changes_the_clip_and_no_way_of_decoding_does(model, plain, how):
    asked = {"num_frames": 13, "decoding": "sequential", **STEERED[how]}
    clip = model.generate("red", **asked)
    assert not np.array_equal(clip.tokens["video"], plain)
    parallel = model.generate("red", **asked | {"decoding": "parallel"})
    np.testing.assert_array_equal(parallel.tokens["video"], clip.tokens["video"])
    np.testing.assert_array_equal(parallel.tokens["audio"], clip.tokens["audio"])


def test_a_track_steers_windows_to_come_and_a_stream_is_the_clip(model):
    late = {"tracks": [[(2.5, (0.1, 0.1)), (3.0, (0.9, 0.9))]], "num_frames": 29}
    early = {"tracks": [[(0.0, (0.1, 0.1))]], "num_frames": 29}
    one, other = (model.generate("red", **asked).tokens["video"] for asked in (late, early))
    same = [np.array_equal(a, b) for a, b in zip(one, other, strict=True)]
    assert all(same[:5]) and not any(same[6:])  # alike until the subject leaves its corner, in the second window
    pieces = list(model.stream("red", **late))
    np.testing.assert_array_equal(np.concatenate([piece.tokens["video"] for piece in pieces]), one)


def test_a_short_control_clip_holds_its_last_frame(model):
    rng = np.random.default_rng(0)
    short = (255 * (rng.random((5, 16, 24, 1)) < 0.4)).repeat(3, axis=-1).astype(np.uint8)
    held = np.concatenate([short, np.repeat(short[-1:], 8, axis=0)])
    with pytest.warns(reelm.RequestWarning, match="control is 5 frames long; its last one is held"):
        one = model.generate("red", control=short, control_kind="silhouette", num_frames=13)
    other = model.generate("red", control=held, control_kind="silhouette", num_frames=13)
    np.testing.assert_array_equal(one.tokens["video"], other.tokens["video"])


def test_a_path_faster_than_the_training_is_said_before_anything_is_drawn(model):
    domain = TrainingDomain(track_speed=0.1, track_area=(0.0, 0.2, 1.0, 0.8), camera_speed=(1.0, 0.1, 0.1))
    trained = replace(model, lm=replace(model.lm, training_domain=domain))
    fast = {"tracks": [[(0.0, (0.1, 0.1)), (0.5, (0.9, 0.5))]], "num_frames": 13}
    said = [
        "track 1 moves 5.1 pixels a frame; the fastest in training was 1.6",
        "track 1 comes near the edge: in training all were within 0 to 1 across and 0.2 to 0.8 down",
    ]
    (found,) = plan(trained, "red", *read_arguments(fast)).choice.warnings
    assert found == said
    shots = [{"prompt": "red", "seconds": 1.0, "tracks": [[(0.0, (0.1, 0.1)), (0.5, (0.9, 0.5))]]}]
    trained = replace(trained, lm=replace(trained.lm, tasks=(*trained.lm.tasks, "shots")))
    (found,) = plan(trained, None, *read_arguments({"storyboard": shots})).choice.warnings
    assert found == said
    (found,) = plan(
        trained, "red", *read_arguments({"camera": [(0.0, reelm.Camera()), (1.0, reelm.Camera(90.0))]})
    ).choice.warnings
    assert found == ["the camera circles 11.2 degrees a frame; the fastest in training was 1"]


def test_a_model_says_what_steers_it(model):
    assert model.info()["language model"]["steered by"] == (
        "tracks of 2 subjects, control (silhouette), camera, motion"
    )


def test_a_model_may_have_its_own_settings_for_a_motion_score(model):
    plain = replace(model.defaults, cfg_scale=2.0, min_p=(0.2,))
    own = replace(plain, motion_cfg_scale=4.0, motion_min_p=(0.0, 0.05))

    def settled(defaults: Any, **asked: float) -> Any:
        settings = plan(replace(model, defaults=defaults), "red", *read_arguments(asked)).choice.settings
        return settings.cfg_scale, settings.min_p

    assert settled(plain) == settled(plain, motion=0.5) == settled(own) == ((2.0,), (0.2,))
    assert settled(own, motion=0.5) == ((4.0,), (0.0, 0.05))
    assert settled(own, motion=0.5, cfg_scale=1.5, min_p=0.1) == ((1.5,), (0.1,))


def test_a_clip_says_what_steered_it(model):
    info = model.generate("red", num_frames=5, **STEERED["numbers"], tracks=[TRACK], motion=0.5).info
    assert info["tracks"] == [[[0.0, [0.1, 0.5]], [1.0, [0.9, 0.5]]]] and info["motion"] == 0.5
    assert info["camera"][1] == [1.0, {"orbit": 40.0, "zoom": 2.0, "rise": 0.2}]
    again = model.generate("red", num_frames=5, **{name: info[name] for name in ("tracks", "camera", "motion")})
    assert again.info["camera"] == info["camera"]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"tracks": []}, "tracks are a list"),
        ({"tracks": [[]]}, "track 1 has no point"),
        ({"tracks": [[(0, (0.1, 1.2))]]}, "track 1 leaves the picture"),
        ({"tracks": [[(0, (0.1, float("nan")))]]}, "track 1 leaves the picture"),
        ({"tracks": [[(1, (0.1, 0.2)), (1, (0.1, 0.2))]]}, "the seconds of track 1 must be 0 or more and rise"),
        ({"tracks": [[(-1, (0.1, 0.2))]]}, "the seconds of track 1"),
        ({"tracks": [[(0, 0.1)]]}, "track 1 is a list of"),
        ({"tracks": [None] * 3}, "there are 3 tracks; 'steered' follows 2"),
        ({"camera": "orbit"}, "camera is 'orbit'; it is one of static, circle left"),
        ({"camera": [(0, 1)]}, "camera is words such as"),
        ({"camera": [(1, reelm.Camera()), (0, reelm.Camera())]}, "the seconds of a camera"),
        ({"motion": 2}, "motion is 2"),
        ({"motion": float("nan")}, "motion"),
        ({"control_kind": "edges"}, "give both"),
        ({"control": np.zeros((5, 16, 24, 3), np.uint8)}, "give both"),
        ({"control": np.zeros((5, 16, 24, 3), np.uint8), "control_kind": "colour"}, "control_kind is 'colour'"),
        ({"control": np.zeros((5, 16, 24, 3), np.uint8), "control_kind": "edges"}, "follows silhouette, not edges"),
        ({"control": np.zeros((16, 24, 3), np.uint8), "control_kind": "silhouette"}, "control has the shape"),
        ({"control": "gone.mp4", "control_kind": "silhouette"}, "gone.mp4"),
    ],
)
def test_what_cannot_steer_is_refused_in_a_line(model, asked, says):
    with pytest.raises(RequestError, match=says) as error:
        model.generate("red", **asked)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("how", ["tracks", "silhouette", "camera", "motion"])
def test_a_model_without_a_source_names_those_that_have_it(tiny_sound_model, how):
    with pytest.raises(RequestError, match="'tiny' was not trained with .*; .* can"):
        tiny_sound_model.generate("red", **STEERED[how])


@pytest.mark.parametrize(
    "where", [{"orbit": 400}, {"zoom": 0}, {"zoom": 100}, {"orbit": "left"}, {"rise": float("nan")}, {"zoom": None}]
)
def test_a_camera_outside_its_range_is_refused(where):
    with pytest.raises(RequestError):
        reelm.Camera(**where)
