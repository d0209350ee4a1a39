"""Test of the baseline for sound: Opus at a constant rate, aligned with the original."""

import numpy as np

from reelm.evaluation.scores import opus
from reelm.evaluation.scores.sound import si_sdr

RATE = 16_000


def test_opus_keeps_its_bit_rate_and_alignment():
    clock = np.arange(2 * RATE) / RATE
    sound = (0.3 * np.sin(2 * np.pi * 300 * clock) * (clock > 0.5)).astype(np.float32)[:, None]
    rebuilt, bits = opus.at_rate(sound, RATE, 6_000)
    assert rebuilt.shape == sound.shape and rebuilt.dtype == np.float32
    assert abs(bits - 6_000) < 1
    better, more = opus.at_rate(sound, RATE, 24_000)
    assert abs(more - 24_000) < 1
    # A shift by one sample of a tone of 300 Hz would leave 18 dB.
    assert si_sdr(sound, better) > 20 and si_sdr(sound, better) > si_sdr(sound, rebuilt)
