"""The pace at which emoji play."""

import numpy as np

from reelm.zoo.emoji.pace import moments


def test_art_stands_still_or_plays_slowly_or_fast_and_goes_back_at_its_end():
    shown = np.stack([moments(np.random.default_rng(seed), 25) for seed in range(200)])
    assert not shown[:, 0].any() and shown.min() == 0 and shown.max() == 24
    still = ~shown.any(axis=1)
    assert 0.08 < still.mean() < 0.22
    steps = abs(np.diff(shown, axis=1))
    assert steps.max() == 3  # at three times the pace
    slow = (steps.max(axis=1) == 1) & ~still
    assert 0.4 < slow.mean() < 0.75
    assert (np.diff(shown[slow], axis=1) >= 0).all()  # who is slow never comes to the end


def test_a_single_frame_is_the_first():
    assert moments(np.random.default_rng(0), 1).tolist() == [0]
