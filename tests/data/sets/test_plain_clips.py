"""Plain clips: flat colours and soft gradients, the same for the same number, lossless on disk."""

import numpy as np

from reelm.data.films.make_plain import write
from reelm.data.plain import PlainClips, clip
from reelm.media.clip import Clip


def test_plain_clips_are_smooth_and_come_back_as_they_were_drawn(tmp_path):
    paths = list(write(tmp_path / "plain", 4, 5))
    for index, path in enumerate(paths):
        drawn = clip(index, 5, 168)
        np.testing.assert_array_equal(Clip.open(path).video, drawn)
        steps = np.abs(np.diff(drawn.astype(int), axis=2)).max(axis=(0, 2, 3))
        assert np.mean(steps > 16) < 0.1 or index % 4 == 3  # all but the edge
    assert clip(0, 5, 168).std(axis=(1, 2)).max() == 0  # flat


def test_clips_are_drawn_by_number_at_any_size():
    source = PlainClips(frames=3, side=16)
    drawn = [source[index]["video"] for index in range(200)]
    assert drawn[5].shape == (3, 16, 16, 3)
    np.testing.assert_array_equal(source[5]["video"], drawn[5])
    flat = np.stack([video[0, 0, 0] for video in drawn[::4]])
    assert (flat.min(0) < 10).all() and (flat.max(0) > 245).all()  # the corners of the cube are not left out
