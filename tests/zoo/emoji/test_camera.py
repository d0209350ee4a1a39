"""Cameras that emoji are seen by."""

import numpy as np

from reelm.zoo.emoji.camera import moves


def test_cameras_pan_zoom_or_stand_still():
    paths = np.stack([moves(np.random.default_rng(seed), 25) for seed in range(200)])
    assert not paths[:, 0].any() and np.abs(paths[..., :2]).max() <= 0.35
    still = ~paths.any(axis=(1, 2))
    pans, zooms = paths[..., :2].any(axis=(1, 2)), paths[..., 2].any(axis=1)
    assert 0.3 < still.mean() < 0.5 and (pans & ~zooms).any() and (zooms & ~pans).any() and (pans & zooms).any()
