"""Tests of grown tokenizers: a larger one rebuilds as the smaller one; one of clips rebuilds stills as images."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.tokenizer import VideoTokenizer, init_params
from reelm.train.tokenizers.grow import inflate, with_another_decoder, with_more_bits

SMALL = VideoTokenizerConfig(bits=6, patch=(2, 2, 2), encoder_channels=(6,), decoder_channels=(6,))
OF_IMAGES = VideoTokenizerConfig(
    bits=10,
    patch=(2, 2, 2),
    encoder_channels=(6, 8),
    decoder_channels=(6, 8),
    strides=((2, 2),),
    encoder_blocks=1,
    decoder_blocks=1,
)


@pytest.mark.parametrize("quantizer", ["lfq", "fsq"])
def test_more_bits_change_no_picture_at_first_and_differ_from_each_other(random_tokenizer, quantizer):
    config = replace(SMALL, quantizer=quantizer)
    small, more = random_tokenizer(config), replace(config, bits=9)
    large = VideoTokenizer(more, with_more_bits(small.params, init_params(more, jax.random.key(1))))
    video = np.random.default_rng(0).integers(0, 256, (1, 5, 8, 12, 3), dtype=np.uint8)
    np.testing.assert_array_equal(large.encode(video) & (2**6 - 1), small.encode(video))
    np.testing.assert_array_equal(large.reconstruct(video), small.reconstruct(video))
    new = large.encode(video) >> 6
    assert len(np.unique(new)) > 2  # bits that are all equal have two values


def test_a_decoder_of_larger_pictures_begins_with_the_coarse_stage_of_the_trained_one(random_tokenizer):
    small = random_tokenizer(SMALL)
    config = replace(SMALL, decoder_scale=2, decoder_channels=(4, 6))
    fresh = init_params(config, jax.random.key(1))
    params = with_another_decoder(small.params, fresh)
    assert jax.tree.map(np.shape, params) == jax.tree.map(np.shape, fresh)
    trained, decoder = small.params["decoder"], params["decoder"]
    for old, new in {"conv_in": "conv_in", "block_0_0": "block_1_0", "block_0_3": "block_1_3"}.items():
        jax.tree.map(np.testing.assert_array_equal, decoder[new], trained[old])
    for new in ("block_0_0", "up_1", "norm_out", "pixels"):
        jax.tree.map(np.testing.assert_array_equal, decoder[new], fresh["decoder"][new])
    video = np.random.default_rng(0).integers(0, 256, (1, 5, 16, 24, 3), dtype=np.uint8)
    assert VideoTokenizer(config, params).encode(video).shape == (1, 3, 4, 6)


def test_a_finish_changes_nothing_at_first(random_tokenizer):
    small, config = random_tokenizer(SMALL), replace(SMALL, decoder_finish=3)
    finished = VideoTokenizer(config, with_another_decoder(small.params, init_params(config, jax.random.key(1))))
    video = np.random.default_rng(0).integers(0, 256, (1, 5, 8, 12, 3), dtype=np.uint8)
    assert finished.hash == small.hash
    np.testing.assert_array_equal(finished.reconstruct(video), small.reconstruct(video))


def test_a_still_clip_is_rebuilt_as_its_picture(random_tokenizer):
    image = random_tokenizer(OF_IMAGES)
    video = VideoTokenizer(OF_IMAGES, inflate(OF_IMAGES, image.params))
    picture = np.random.default_rng(0).integers(0, 256, (1, 1, 8, 12, 3), dtype=np.uint8)
    still = np.repeat(picture, 9, axis=1)
    ids, rebuilt = image.encode(picture), image.reconstruct(picture)
    assert len(np.unique(ids)) > 1 and rebuilt.std() > 1
    np.testing.assert_array_equal(video.encode(still), np.repeat(ids, 3, axis=1))
    np.testing.assert_allclose(video.reconstruct(still).astype(int), np.repeat(rebuilt, 9, axis=1), atol=1)
    # It is the inflation that does it.
    assert (image.encode(still) != np.repeat(ids, 3, axis=1)).any()
