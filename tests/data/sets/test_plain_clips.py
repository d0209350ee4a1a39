"""Plain clips: flat colours and soft gradients, the same for the same number, lossless on disk."""

import numpy as np

from reelm.data.films.make_plain import clip, write
from reelm.media.clip import Clip


def test_plain_clips_are_smooth_and_come_back_as_they_were_drawn(tmp_path):
    paths = list(write(tmp_path / "plain", 4, 5))
    for index, path in enumerate(paths):
        drawn = clip(index, 5)
        np.testing.assert_array_equal(Clip.open(path).video, drawn)
        steps = np.abs(np.diff(drawn.astype(int), axis=2)).max(axis=(0, 2, 3))
        assert np.mean(steps > 16) < 0.1 or index % 4 == 3  # all but the edge
    assert clip(0, 5).std(axis=(1, 2)).max() == 0  # flat
