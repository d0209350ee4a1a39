"""The fields of a request that need no model to be checked."""

import pytest

from reelm.errors import RequestError
from reelm.serve.access import Limits
from reelm.serve.routes.body import Asked

TRACK = [[0, [0.1, 0.5]], [1.5, [0.9, 0.5]]]


def test_tracks_and_a_camera_are_settings_of_a_job():
    camera = [[0, {}], [1, {"orbit": 20, "zoom": 2}]]
    asked = Asked({"prompt": "a red seven", "tracks": [TRACK, None], "camera": camera, "motion": 0.5}, "demo", Limits())
    assert asked.settings == {"tracks": [TRACK, None], "camera": camera, "motion": 0.5}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"tracks": [[[0, [2, 0]]]]}, "track 1 leaves the picture"),
        ({"tracks": [[[at / 100, [0, 0]] for at in range(40_000)]]}, "tracks and camera have 40000 points"),
        ({"camera": "spin"}, "camera is 'spin'"),
        ({"camera": [[0, {"tilt": 1}]]}, "camera is words such as"),
        ({"motion": 7}, "motion is 7"),
        ({"control_kind": "colour"}, "control_kind is 'colour'"),
        ({"keys": [["left"]] * 40_000}, "keys are given for 40000 latent frames"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_once(fields, says):
    with pytest.raises(RequestError, match=says):
        Asked(fields, "demo", Limits())
