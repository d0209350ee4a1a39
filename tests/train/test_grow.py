"""Growth: a tokenizer with more bits rebuilds what the smaller one did, until it is trained."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.tokenizer import VideoTokenizer, autoencode, init_params
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


def test_bits_that_are_not_shown_do_not_matter(random_tokenizer):
    params = random_tokenizer(LARGE).params
    video = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (2, 5, 8, 12, 3)), jnp.float32)
    shown = jnp.array([6, 9])
    rebuilt, _ = autoencode(LARGE, params, video, bits=shown)
    latent = params["encoder"]["latent"]
    kernel = np.array(latent["kernel"])
    kernel[:, 6:] *= -1  # other values of the last bits
    other = {**params, "encoder": {**params["encoder"], "latent": {**latent, "kernel": kernel}}}
    changed, _ = autoencode(LARGE, other, video, bits=shown)
    np.testing.assert_allclose(changed[0], rebuilt[0], atol=1e-6)
    assert np.abs(changed[1] - rebuilt[1]).max() > 1e-3
