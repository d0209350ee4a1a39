"""Sound resampled in pieces is the sound resampled whole."""

import numpy as np
import pytest

from reelm.media.sound import StreamResampler, resample


@pytest.mark.parametrize(
    ("rate", "to"), [(16_000, 48_000), (16_000, 44_100), (16_000, 22_050), (48_000, 16_000), (7, 7)]
)
def test_pieces_join_without_a_step(rate, to):
    seconds = np.arange(4 * rate) / rate
    sound = np.stack([np.sin(2 * np.pi * f * seconds) for f in (0.03 * rate, 0.011 * rate)], axis=-1)[None] * 0.5
    sound = sound.astype(np.float32)
    whole, resampler, pieces = resample(sound, rate, to), StreamResampler(rate, to), []
    bounds = [0, *np.linspace(0.3, 4, 9).tolist()]
    for begin, end in zip(bounds, bounds[1:], strict=False):
        piece = sound[:, round(begin * rate) : round(end * rate)]
        pieces.append(resampler(piece, round(begin * to), round(end * to)))
        assert pieces[-1].shape == (1, round(end * to) - round(begin * to), 2)
    made = np.concatenate(pieces, axis=1)
    made = made[:, : whole.shape[1]]
    error = np.abs(made - whole)[:, : -max(1, to // 500)]
    assert error.max() < 0.05 and np.sqrt(np.mean(error**2)) < 0.5e-2
    steps = np.abs(np.diff(made, axis=1))[:, : -max(1, to // 500)].max()
    assert steps < 1.1 * np.abs(np.diff(whole, axis=1)).max() + 1e-6
