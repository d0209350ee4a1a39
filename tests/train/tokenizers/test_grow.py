"""Growth: a tokenizer with more bits rebuilds what the smaller one did, until it is trained."""

from dataclasses import replace

import jax
import numpy as np

from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.tokenizer import VideoTokenizer, init_params
from reelm.train.tokenizers.grow import with_more_bits

SMALL = VideoTokenizerConfig(bits=6, patch=(2, 2, 2), encoder_channels=(6,), decoder_channels=(6,))
LARGE = replace(SMALL, bits=9)


def test_more_bits_change_no_picture_at_first_and_differ_from_each_other(random_tokenizer):
    small = random_tokenizer(SMALL)
    large = VideoTokenizer(LARGE, with_more_bits(small.params, init_params(LARGE, jax.random.key(1))))
    video = np.random.default_rng(0).integers(0, 256, (1, 5, 8, 12, 3), dtype=np.uint8)
    np.testing.assert_array_equal(large.encode(video) & (2**6 - 1), small.encode(video))
    np.testing.assert_array_equal(large.reconstruct(video), small.reconstruct(video))
    new = large.encode(video) >> 6
    assert len(np.unique(new)) > 2  # bits that are all equal have two values
