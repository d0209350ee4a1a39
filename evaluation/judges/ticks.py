"""Detect ticks in sound, and match their times."""

import numpy as np

_TICK_BAND = 5_000  # Hz: above every recorded voice
_TICK_STEP = 0.005  # seconds between two measurements
_TICK_LEVEL = 0.02  # root mean square in that band; a true tick reaches 0.2
_TICK_RISE = 3.0  # factor by which it is louder than just before
_TICK_APART = 0.06  # least seconds between two ticks


def ticks(sound: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the seconds at which ticks of `moving_digits_sound` start, ascending: float64 [n].

    A tick is a sudden sound above 5 kHz, where recorded voices have nothing. The sample rate must be 12.5 kHz or more.
    """
    if sample_rate < 2.5 * _TICK_BAND:
        raise ValueError(f"ticks are above {_TICK_BAND} Hz; sound of {sample_rate} Hz has too little of that band")
    step = round(_TICK_STEP * sample_rate)
    mono = np.pad(sound.astype(np.float64).mean(axis=1), (0, 2 * step - len(sound) % step))
    blocks = np.lib.stride_tricks.sliding_window_view(mono, 2 * step)[::step]
    spectrum = np.abs(np.fft.rfft(blocks * np.hanning(2 * step + 1)[:-1])) ** 2
    high = np.fft.rfftfreq(2 * step, 1 / sample_rate) > _TICK_BAND
    # By Parseval's theorem; 3/8 is the mean power of the window.
    level = np.sqrt(2 * spectrum[:, high].sum(axis=1) / (2 * step) ** 2 * 8 / 3)
    before = np.concatenate([[0.0, 0.0], level[:-2]])
    sudden = (level > _TICK_LEVEL) & (level > _TICK_RISE * before)
    found: list[float] = []
    for block in np.flatnonzero(sudden):
        if not found or block * _TICK_STEP - found[-1] > _TICK_APART:
            # In the first window that detects a tick, the tick starts in the second half.
            found.append(float(block * _TICK_STEP + _TICK_STEP))
    return np.array(found)


def matched(heard: np.ndarray, wanted: np.ndarray, tolerance: float) -> tuple[int, int]:
    """Count the `wanted` times that match one of `heard` within `tolerance` seconds, and the unmatched heard times.

    Each heard time matches at most one wanted time; the nearest pairs are matched first.
    """
    pairs = sorted((abs(h - w), i, j) for i, h in enumerate(heard) for j, w in enumerate(wanted))
    used_heard: set[int] = set()
    used_wanted: set[int] = set()
    for apart, i, j in pairs:
        if apart <= tolerance and i not in used_heard and j not in used_wanted:
            used_heard.add(i)
            used_wanted.add(j)
    return len(used_wanted), len(heard) - len(used_heard)
