"""Tests of clips that are decoded as if they had a cut, to train a decoder to start a shot without a past."""

import jax.numpy as jnp
import numpy as np
import pytest
from made.training import MODEL

from reelm.tokenizer.video.net import VideoNet
from reelm.tokenizer.video.tokenizer import VideoTokenizer, autoencode
from reelm.train.tokenizers.video_losses import with_cuts


@pytest.fixture(scope="module")
def tokenizer(random_tokenizer) -> VideoTokenizer:
    return random_tokenizer(MODEL)


def cut(tokenizer: VideoTokenizer, clips: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """(clips rebuilt, and the same of which a share cuts), in pixels of 0 to 255."""
    rebuilt, latent = autoencode(MODEL, tokenizer.params, jnp.asarray(clips))
    seen = with_cuts(VideoNet(MODEL), tokenizer.params, rebuilt, latent, share)
    before, after = ((np.clip(each, -1, 1) + 1) * 127.5 for each in (np.asarray(rebuilt), np.asarray(seen)))
    return before, after


def test_a_share_of_clips_is_drawn_as_the_tokenizer_draws_what_is_behind_a_cut(tokenizer):
    clips = np.random.default_rng(0).uniform(-1, 1, (4, 9, 16, 16, 3)).astype(np.float32)
    rebuilt, seen = cut(tokenizer, clips, 0.5)
    np.testing.assert_array_equal(seen[2:], rebuilt[2:])
    np.testing.assert_array_equal(seen[:2, :1], rebuilt[:2, :1])
    expected = tokenizer.decode(tokenizer.encode(clips[:2]), cuts=[1])
    assert np.abs(seen[:2] - expected).max() < 0.51  # rounded once
    assert np.abs(seen[:2, 1:] - rebuilt[:2, 1:]).max() > 1


def test_a_picture_has_no_room_for_a_cut(tokenizer):
    rebuilt, seen = cut(tokenizer, np.zeros((2, 1, 16, 16, 3), np.float32), 1.0)
    np.testing.assert_array_equal(seen, rebuilt)
