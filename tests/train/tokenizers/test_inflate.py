"""Inflation: a tokenizer of images, made one of clips, treats a still clip as that image again and again."""

import numpy as np

from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.tokenizer import VideoTokenizer
from reelm.train.tokenizers.inflate import inflate

CONFIG = VideoTokenizerConfig(
    bits=10,
    patch=(2, 2, 2),
    encoder_channels=(6, 8),
    decoder_channels=(6, 8),
    strides=((2, 2),),
    encoder_blocks=1,
    decoder_blocks=1,
)


def test_a_still_clip_is_rebuilt_as_its_picture(random_tokenizer):
    image = random_tokenizer(CONFIG)
    video = VideoTokenizer(CONFIG, inflate(CONFIG, image.params))
    picture = np.random.default_rng(0).integers(0, 256, (1, 1, 8, 12, 3), dtype=np.uint8)
    still = np.repeat(picture, 9, axis=1)
    ids, rebuilt = image.encode(picture), image.reconstruct(picture)
    assert len(np.unique(ids)) > 1 and rebuilt.std() > 1
    np.testing.assert_array_equal(video.encode(still), np.repeat(ids, 3, axis=1))
    np.testing.assert_allclose(video.reconstruct(still).astype(int), np.repeat(rebuilt, 9, axis=1), atol=1)
    # It is the inflation that does it.
    assert (image.encode(still) != np.repeat(ids, 3, axis=1)).any()
