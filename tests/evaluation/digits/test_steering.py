"""The judge of steering: real clips follow their own tracks, and others do not."""

import types
from typing import Any

import numpy as np
import pytest

from reelm.evaluation.digits import steering


class Real:
    """Makes the real clip of a case, or one that goes another way. Its tokenizer loses nothing."""

    video_tokenizer = types.SimpleNamespace(reconstruct=lambda video: video)

    def __init__(self, group: str, lost: bool):
        self.cases = {case.words: case for case in steering._cases(group, 6, 0, 9)}
        self.lost = lost

    def generate(self, words: str, **asked: Any) -> Any:
        video = self.cases[words].video if words in self.cases else np.zeros((9, 64, 64, 3), np.uint8)
        video = np.roll(video, 8, axis=2) if self.lost else video
        return type("Clip", (), {"video": video, "fps": 8.0})


def both(group: str) -> list[dict[str, Any]]:
    """The scores of real clips and of clips beside them."""
    makers: list[Any] = [Real(group, lost=False), Real(group, lost=True)]
    return [steering.steering(maker, clips=6, num_frames=9, groups=(group,))[group] for maker in makers]


@pytest.mark.parametrize("group", ["tracks", "held-out tracks", "two tracks"])
def test_a_clip_of_its_track_is_near_and_one_beside_it_is_not(group):
    real, lost = both(group)
    assert real["near"] > 0.9 and real["right"] > 0.6 and lost["near"] < 0.2
    assert all(scores["near_rebuilt"] == real["near"] for scores in (real, lost))


def test_a_silhouette_is_its_own_and_no_other_place():
    real, lost = both("silhouettes")
    assert real["iou"] == 1 and real["colour"] == 1 and lost["iou"] < 0.5 == lost["iou_rebuilt"] / 2
