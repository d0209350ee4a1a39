"""Tests of the baseline for pictures: H.264 at the best quality that fits a number of bits."""

import numpy as np

from reelm.evaluation.scores import h264
from reelm.evaluation.scores.pictures import psnr

_NOISE = np.random.default_rng(0).integers(0, 255, (16, 16, 1)).repeat(3, axis=2)
VIDEO = np.stack([np.roll(_NOISE, t, axis=1).repeat(4, axis=0).repeat(4, axis=1) for t in range(9)]).astype(np.uint8)


def test_the_best_quality_that_fits_is_used():
    small, large = (h264.at_payload(VIDEO, bits) for bits in (4_600, 6_500))
    assert small.shape == VIDEO.shape and small.dtype == np.uint8
    fits = [crf for crf in range(52) if h264.payload(h264.encode(VIDEO, crf, 24)) <= 4_600]
    np.testing.assert_array_equal(small, h264.decode(h264.encode(VIDEO, fits[0], 24)))
    assert psnr(VIDEO, small) < psnr(VIDEO, large)


def test_headers_are_not_counted():
    packets = h264.encode(VIDEO, 40, 24)
    assert 0 < h264.payload(packets) < 8 * sum(map(len, packets)) - 8 * 500  # x264 writes its settings into the first


def test_a_small_clip_is_encoded_deterministically():
    small = VIDEO[:, ::2, ::2]
    first = h264.encode(small, 35, 24)
    for _ in range(5):
        assert b"".join(h264.encode(small, 35, 24)) == b"".join(first)
        h264.decode(first)  # leaves other bytes behind in what is allocated next
