"""The scores of stories: real clips reach all of them, and clips of another hand, or without a cut, do not."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reelm import configs
from reelm.data.moving_digits import scenes
from reelm.evaluation.digits import stories


class Teller:
    """Makes the real clips of cases, each in the handwriting of `shift` pictures further on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, shift: int):
        self.digits, self.shift, self.video_tokenizer = scenes.digits_for("test"), shift, self
        self.case: Any = None
        drawn = stories._drawn

        def kept(*asked: Any) -> Any:
            self.case = drawn(*asked)
            return self.case

        monkeypatch.setattr(stories, "_drawn", kept)

    config = configs.get("video-tokenizer", "demo").model

    def reconstruct(self, video: np.ndarray) -> np.ndarray:
        return video

    def encode(self, video: np.ndarray) -> np.ndarray:
        return video[None]

    def decode(self, codes: np.ndarray, cuts: Sequence[int]) -> np.ndarray:
        assert cuts == [5, 9]
        return codes

    def generate(self, words: str | None = None, **asked: Any) -> Any:
        made = [self._render(scene, 17 - bool(n)) for n, scene in enumerate(self.case.scenes)]
        video = np.concatenate(made)
        if "retake" in asked:
            video = asked["video"].copy()
            video[8:16] = self._render(self.case.scenes[0], 25)[8:16]
        return type("Clip", (), {"video": video})

    def _render(self, scene: scenes.Scene, frames: int) -> np.ndarray:
        movers = []
        for mover in scene.movers:
            same = list(self.digits.of_digit[mover.digit])
            image = same[(same.index(mover.image) + self.shift) % len(same)]
            movers.append(replace(mover, image=int(image)))
        return scenes.render(scenes.Scene(tuple(movers)), self.digits, frames)


@pytest.mark.parametrize("shift", [0, 1])
def test_real_clips_reach_all_scores_and_another_hand_is_not_the_nearest(monkeypatch, shift):
    teller: Any = Teller(monkeypatch, shift)
    found = stories.told(teller, clips=4)
    hands = [group["hand"] for group in found.values()]
    assert hands == [1.0] * 4 if shift == 0 else max(hands) < 0.5
    assert found["storyboard"]["cuts"] == found["storyboard"]["cuts_rebuilt"] == 1
    assert found["retake"]["kept"] == found["reference"]["hand_rebuilt"] == 1
    if shift == 0:
        assert found["retake"]["joins"] == found["two references"]["not_swapped"] == 1
        assert found["retake"]["edges"] == pytest.approx(1, abs=0.2)
        assert min(group["right"] for group in found.values()) > 0.7
