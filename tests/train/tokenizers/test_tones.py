"""Tones: the same for the same number, within range, many of them one high pitch."""

import numpy as np

from reelm.train.tokenizers.tones import tone

RATE = 16_000


def test_tones_are_the_same_each_time_and_within_range():
    sounds = [tone(number, RATE, 1.0) for number in range(40)]
    assert sum(not made.any() for made in sounds) < 3  # clicks that were to be before the end of a silence
    for number, made in enumerate(sounds):
        np.testing.assert_array_equal(made, tone(number, RATE, 1.0))
        assert made.shape == (RATE,) and made.dtype == np.float32 and np.abs(made).max() <= 1


def test_many_tones_are_one_high_pitch():
    """Of 200 sounds one in eight is a single tone of a high pitch; recordings hold next to none."""
    spectra = [np.abs(np.fft.rfft(tone(number, RATE, 1.0) * np.hanning(RATE))) ** 2 for number in range(200)]
    high = [power for power in spectra if 3_500 < power.argmax() < 7_100]
    single = [
        power for power in high if power[max(0, power.argmax() - 20) : power.argmax() + 21].sum() > 0.9 * power.sum()
    ]
    assert len(single) > 14
