"""Digits on drawn paths: where they are is what the tracks say, and no words tell it."""

import numpy as np
import pytest

from reelm.data import catalog
from reelm.data.moving_digits import paths, scenes
from reelm.data.moving_digits.mnist import load
from reelm.data.moving_digits.soundtracks import voices_for
from reelm.errors import RequestError

DIGITS, VOICES = load("train", "compact"), voices_for("train")
CLIPS = [paths.example("train", index, 17, DIGITS, VOICES) for index in range(24)]


def test_the_centre_of_ink_is_on_the_track():
    alone = [clip for clip in CLIPS if len(clip["digits"]) == 1]
    assert 8 < len(alone) < 24
    for clip in alone:
        for frame, (x, y) in zip(clip["video"], clip["tracks"][0], strict=True):
            centre = scenes.centre_of_ink(frame.max(axis=-1)) / scenes.SIZE
            np.testing.assert_allclose(centre, (x, y), atol=1e-3)


def test_paths_differ_and_most_move():
    lengths = [np.linalg.norm(np.diff(track, axis=0), axis=1).sum() for clip in CLIPS for track in clip["tracks"]]
    assert min(lengths) < 0.02 or len(lengths) < 30
    assert np.median(lengths) > 0.2 and max(lengths) < 3.5 * 16 / 64


def test_a_longer_clip_continues_a_shorter_one():
    longer = paths.example("train", 3, 33, DIGITS, VOICES)
    np.testing.assert_array_equal(longer["video"][:17], CLIPS[3]["video"])
    np.testing.assert_array_equal(longer["tracks"][:, :17], CLIPS[3]["tracks"])
    assert longer["captions"] == CLIPS[3]["captions"]


def test_words_say_who_and_not_where():
    for clip in CLIPS:
        *english, chinese = clip["captions"]
        assert all(colour in english[0] for colour in clip["colours"]) and not chinese.isascii()
        words = " ".join(english).split()
        assert not {"left", "right", "up", "down", "slow", "slowly"} & {*words}
        assert not {*"左右上下"} & {*chinese}


def test_a_scene_without_paths_has_tracks_too():
    clips = catalog.open_clips("moving_digits", "train", num_frames=5, num_clips=3)
    for clip in (clips[0], clips[1]):
        assert "tracks" in clip and clip["tracks"].shape[1:] == (5, 2) and clip["tracks"].dtype == np.float32


def test_paths_stay_inside_and_held_out_ones_are_of_their_own():
    assert not paths._HELD_OUT.keys() & paths._CURVES.keys()
    for split in scenes.SPLITS:
        corners = np.concatenate([paths.path(np.random.default_rng(n), split)(np.arange(40)) for n in range(20)])
        assert corners.min() >= 0 and corners.max() <= scenes.SIZE - scenes.DIGIT_SIZE


def test_there_is_nothing_to_build(tmp_path):
    with pytest.raises(RequestError, match="drawn on demand"):
        catalog.build("steered_digits", tmp_path)


def test_pairs_have_two_digits_each():
    clips = catalog.open_clips("steered_pairs", "train", num_frames=3, num_clips=6)
    for clip in (clips[index] for index in range(6)):
        assert "tracks" in clip and len(clip["tracks"]) == 2 and " and " in clip["captions"][0]
