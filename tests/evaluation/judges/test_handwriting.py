"""The judge of handwriting knows a digit again wherever it is, in its colour, among a hundred of its class."""

import numpy as np

from reelm.data.moving_digits.mnist import load
from reelm.data.moving_digits.scenes import example
from reelm.evaluation.judges.handwriting import ink, similarity

DIGITS = load("test", "compact")


def test_each_digit_of_a_clip_is_the_nearest_of_a_hundred():
    for index in range(6):
        clip = example("test", index, 5, DIGITS)
        for mover in clip["scene"].movers:
            others = [image for image in DIGITS.of_digit[mover.digit] if image != mover.image][:99]
            like = similarity(ink(clip["video"], mover.colour), DIGITS.images[[mover.image, *others]])
            assert like.argmax() == 0 and like[0] > 0.999


def test_noise_and_blur_leave_it_the_nearest_and_black_is_like_nothing():
    clip, rng = example("test", 0, 3, DIGITS), np.random.default_rng(0)
    mover = clip["scene"].movers[0]
    seen = ink(clip["video"], mover.colour)
    blurred = (seen + np.roll(seen, 1, axis=1) + np.roll(seen, 1, axis=2)) / 3 + rng.normal(0, 20, seen.shape)
    images = DIGITS.images[[mover.image, *DIGITS.of_digit[mover.digit][:99]]]
    assert similarity(blurred, images).argmax() == 0 and 0.5 < similarity(blurred, images)[0] < 0.999
    assert (similarity(np.zeros((1, 64, 64)), images) <= 0).all()
