"""The data set: clips by index, with all that is known of them."""

import numpy as np
import pytest

from reelm.data import catalog
from reelm.errors import RequestError


def test_a_clip_has_pictures_sound_words_tracks_and_the_cameras_path():
    clips = catalog.open_clips("toys", "test", num_frames=5, num_clips=2)
    assert len(clips) == 2 and clips.shapes[0][1:] == (5, 128, 128)
    clip, again = clips[1], clips[1]
    assert clip["video"].shape == (5, 128, 128, 3) and clip["video"].dtype == np.uint8
    assert np.array_equal(clip["video"], again["video"]) and np.array_equal(clip["audio"], again["audio"])
    assert clip["audio"].shape == (10_000, 1) and clip["sample_rate"] == 16_000 and clip["fps"] == 8
    assert clip["tracks"].shape[1:] == (5, 2) and clip["camera"].shape == (5, 3)
    assert len(clip["captions"]) == 8
    with pytest.raises(IndexError):
        clips[2]


def test_it_is_drawn_and_not_built():
    with pytest.raises(RequestError, match="toys is drawn on demand"):
        catalog.build("toys")
