"""Clips that cut to another one, for a decoder that shall draw cuts."""

import jax
import jax.numpy as jnp
import numpy as np

from reelm.train.tokenizers.video_losses import with_cuts


def test_a_share_of_clips_goes_over_to_the_one_before_where_a_latent_frame_begins():
    clips = np.broadcast_to(np.arange(64.0)[:, None, None, None, None], (64, 9, 2, 2, 3))
    seen = np.asarray(with_cuts(jnp.asarray(clips), jax.random.key(0), 0.5, stride=4))
    np.testing.assert_array_equal(seen, np.broadcast_to(seen[..., :1, :1, :1], seen.shape))
    whose = seen[..., 0, 0, 0]
    cut = (whose != whose[:, :1]).any(axis=1)
    assert 20 < cut.sum() < 44
    np.testing.assert_array_equal(whose[~cut], clips[~cut][..., 0, 0, 0])
    own, before = whose[cut, 0], whose[cut, -1]
    np.testing.assert_array_equal(before, (own - 1) % 64)
    begins = (whose[cut] == before[:, None]).argmax(axis=1)
    assert {*begins.tolist()} == {1, 5}


def test_a_picture_has_no_room_for_a_cut():
    pictures = np.random.default_rng(0).normal(size=(4, 1, 2, 2, 3)).astype(np.float32)
    np.testing.assert_array_equal(with_cuts(jnp.asarray(pictures), jax.random.key(0), 1.0, stride=4), pictures)
