"""The judge of steered emoji: it finds where a camera looks, and how motion goes with what was asked."""

import types
from typing import Any

import numpy as np
import pytest

from reelm.evaluation.motion import LEVELS, at_levels
from reelm.evaluation.scores.ranks import spearman
from reelm.evaluation.scores.views import found_view
from reelm.media.view import seen
from reelm.zoo.emoji import steering as emoji_steering
from reelm.zoo.emoji.camera import moves


def drawing(seed: int) -> np.ndarray:
    """A picture of a few coloured discs on white, uint8 `[128, 128, 3]`."""
    rng, (y, x) = np.random.default_rng(seed), np.mgrid[:128, :128] / 128
    picture = np.full((128, 128, 3), 255, np.uint8)
    for _ in range(6):
        across, down = rng.uniform(0.25, 0.75, 2)
        picture[(x - across) ** 2 + (y - down) ** 2 < rng.uniform(0.05, 0.15) ** 2] = rng.integers(0, 200, 3)
    return picture


@pytest.mark.parametrize("seed", range(5))
def test_the_view_of_a_picture_is_found(seed):
    camera, picture = moves(np.random.default_rng(seed), 25)[-1], drawing(seed)
    noise = np.random.default_rng(seed).normal(0, 20, (64, 64, 3))
    frame = np.clip(seen(picture[None], camera[None], (64, 64))[0] + noise, 0, 255).astype(np.uint8)
    np.testing.assert_allclose(found_view(frame, picture), camera, atol=0.01)


def test_asked_cameras_move_and_arrive_as_they_are_given():
    for number in range(20):
        path = emoji_steering._camera(number, 25)
        given = emoji_steering._as_given(path, 8.0)
        assert path.any() and [at for at, _ in given] == [t / 8 for t in range(25)]
        np.testing.assert_allclose([[*where.pan, np.log2(where.zoom)] for _, where in given], path, atol=1e-6)


def test_views_are_near_only_where_they_are_those_asked_for():
    asked = np.array([[[0.1, 0, 0.2], [0.2, 0, 0.4]], [[0, 0.1, -0.2], [0, 0.2, -0.4]], [[0, 0.1, 0], [0, 0.2, 0]]])
    exact = emoji_steering._near_views(asked, asked, 128)
    assert exact["pan"] == 0 and exact["near"] == exact["direction"] == exact["size"] == 1 and exact["zooms"] == 2
    other = emoji_steering._near_views(asked * (1, 1, -1) + (0.1, 0, 0), asked, 128)
    assert other["direction"] == other["size"] == 0 and other["near"] == 0
    assert other["pan"] == pytest.approx(6.4)  # half of the changes are right, of those of the first latent frame none
    assert emoji_steering._near_views(asked * (1, 1, 1.5), asked, 128)["size"] == 0


def test_rank_correlation_of_equal_orders_is_1():
    assert spearman([1, 2, 3, 3], [10, 20, 30, 30]) == pytest.approx(1)
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)


def test_clips_that_move_as_asked_go_with_it_each_at_its_own_pace():
    def generate(prompt: str, *, motion: float, **_: Any) -> Any:
        speed = round({"slow": 5, "fast": 20}[prompt] * motion) if prompt != "still" else 0
        video = np.stack([np.roll(np.resize(drawing(0), (64, 64, 3)), speed * t, axis=1) for t in range(5)])
        return types.SimpleNamespace(video=video, fps=8.0)

    maker: Any = types.SimpleNamespace(generate=generate)
    found = at_levels(maker, ["slow"], num_frames=5)
    assert found["clips"] == len(LEVELS) and found["spearman"] > 0.9 and found["spearman_each"] > 0.9
    assert abs(at_levels(maker, ["still"], num_frames=5)["spearman"]) < 0.1
