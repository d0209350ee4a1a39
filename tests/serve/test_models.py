"""The models of a server: what a client is told about each, and that each is warmed up."""

from dataclasses import replace

import pytest
from made.models import tiny_director
from made.serving import serving

from reelm.serve.routes.about import about

STEERS = ("tracks", "camera", "motion", "control_kinds", "references")


def test_a_model_says_what_can_steer_it(tiny_model):
    told = about("director", tiny_director())
    assert [told[name] for name in STEERS] == [2, True, True, ["edges", "silhouette"], True]
    assert {"shots", "retake"} <= set(told["tasks"])
    told = about("tiny", tiny_model)
    assert [told[name] for name in STEERS] == [0, False, False, [], False]


@pytest.mark.slow
def test_a_model_whose_clips_are_one_window_long_is_warmed_up(tiny_sound_model, tmp_path):
    short = replace(tiny_sound_model, lm=replace(tiny_sound_model.lm, tasks=("t2v",)))
    for service in serving(short, tmp_path):
        _, job = service.json("POST", "/v1/videos", {"prompt": "red", "num_frames": 1})
        assert service.made(job)["status"] == "completed"
