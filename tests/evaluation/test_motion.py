"""Tests of motion scores: rank correlation over all clips and per prompt."""

import types
from typing import Any

import numpy as np
import pytest

from reelm.evaluation.groups import judged_groups
from reelm.evaluation.motion import LEVELS, at_levels, spearman


def test_rank_correlation_of_equal_orders_is_1():
    assert spearman([1, 2, 3, 3], [10, 20, 30, 30]) == pytest.approx(1)
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)


def test_clips_that_follow_the_motion_score_correlate_per_prompt():
    drawing = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)

    def generate(prompt: str, *, motion: float, **_: Any) -> Any:
        speed = round({"slow": 5, "fast": 20}[prompt] * motion) if prompt != "still" else 0
        video = np.stack([np.roll(drawing, speed * t, axis=1) for t in range(5)])
        return types.SimpleNamespace(video=video, fps=8.0)

    maker: Any = types.SimpleNamespace(generate=generate)
    groups = {prompt: at_levels([prompt]) for prompt in ("slow", "still")}
    found = judged_groups(maker, groups, seed=0, num_frames=5)
    assert found["slow"]["clips"] == len(LEVELS)
    assert found["slow"]["spearman"] > 0.9 and found["slow"]["spearman_each"] > 0.9
    assert abs(found["still"]["spearman"]) < 0.1
