"""Figures of merit of sound: how near a rebuilt sound is to its original, when ticks sound, whether silence is silent.

In: samples `float [S, C]`. Out: plain floats, seconds and truths. Knows nothing of models or files.
"""

import numpy as np

from .mel import mel_filters

SILENT_DB = -60.0  # level of the loudest tenth of a second under which nothing is heard

_MEL_WINDOW, _MEL_BANDS, _MEL_FLOOR = 1024, 80, 1e-5
_TICK_BAND = 5_000  # Hz: above every recorded voice
_TICK_STEP = 0.005  # seconds between two looks
_TICK_LEVEL = 0.02  # root mean square in that band; a true tick reaches 0.2
_TICK_RISE = 3.0  # how many times louder than just before
_TICK_APART = 0.06  # seconds between two ticks


def si_sdr(original: np.ndarray, rebuilt: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al. 2019, equation 5), each channel's mean removed.

    inf for a rebuilt sound that is the original but for its loudness, -inf for one that has nothing of it; NaN where
    the original is silent.
    """
    _check_pair(original, rebuilt)
    x = original.astype(np.float64) - original.mean(axis=0, dtype=np.float64)
    y = rebuilt.astype(np.float64) - rebuilt.mean(axis=0, dtype=np.float64)
    energy = np.sum(x * x)
    if energy == 0:
        return float("nan")
    target = np.sum(x * y) / energy * x
    if not target.any():
        return float("-inf")
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(np.sum(target * target) / np.sum(np.square(y - target))))


def mel_distance(original: np.ndarray, rebuilt: np.ndarray, sample_rate: int) -> float:
    """Mean absolute difference of log10-mel magnitudes: 80 bands, windows of 1,024 samples a quarter apart.

    Magnitudes below 1e-5 count as 1e-5, so that silence against silence is no difference. A sound shorter than a window
    ends in silence.
    """
    _check_pair(original, rebuilt)
    return float(np.mean(np.abs(_log_mel(original, sample_rate) - _log_mel(rebuilt, sample_rate))))


def level_db(sound: np.ndarray, sample_rate: int) -> float:
    """Level in dB below full scale of the loudest tenth of a second; -inf for zeros."""
    step = max(1, sample_rate // 10)
    padded = np.pad(sound.astype(np.float64), ((0, -len(sound) % step), (0, 0)))
    power = np.mean(np.square(padded.reshape(-1, step, sound.shape[1])), axis=1).max()
    return float(10 * np.log10(power)) if power else -np.inf


def is_silent(sound: np.ndarray, sample_rate: int) -> bool:
    """Whether nothing is heard in any tenth of a second."""
    return level_db(sound, sample_rate) < SILENT_DB


def ticks(sound: np.ndarray, sample_rate: int) -> np.ndarray:
    """Seconds at which a tick of `moving_digits_sound` sets in, ascending: float64 [n].

    A tick is a sudden sound above 5 kHz, where recorded voices have nothing. Needs 12.5 kHz or more.
    """
    if sample_rate < 2.5 * _TICK_BAND:
        raise ValueError(f"ticks are sought above {_TICK_BAND} Hz; sound of {sample_rate} Hz holds too little there")
    step = round(_TICK_STEP * sample_rate)
    mono = np.pad(sound.astype(np.float64).mean(axis=1), (0, 2 * step - len(sound) % step))
    blocks = np.lib.stride_tricks.sliding_window_view(mono, 2 * step)[::step]
    spectrum = np.abs(np.fft.rfft(blocks * np.hanning(2 * step + 1)[:-1])) ** 2
    high = np.fft.rfftfreq(2 * step, 1 / sample_rate) > _TICK_BAND
    # Parseval, and 3/8 is the power that the window leaves.
    level = np.sqrt(2 * spectrum[:, high].sum(axis=1) / (2 * step) ** 2 * 8 / 3)
    before = np.concatenate([[0.0, 0.0], level[:-2]])
    sudden = (level > _TICK_LEVEL) & (level > _TICK_RISE * before)
    found: list[float] = []
    for block in np.flatnonzero(sudden):
        if not found or block * _TICK_STEP - found[-1] > _TICK_APART:
            # A window sees a tick that sets in anywhere in its second half first.
            found.append(float(block * _TICK_STEP + _TICK_STEP))
    return np.array(found)


def matched(heard: np.ndarray, wanted: np.ndarray, tolerance: float) -> tuple[int, int]:
    """How many of `wanted` times have one of `heard` within `tolerance` seconds, and how many heard are left over.

    Each heard time serves one wanted time, the nearest pairs first.
    """
    pairs = sorted((abs(h - w), i, j) for i, h in enumerate(heard) for j, w in enumerate(wanted))
    used_heard: set[int] = set()
    used_wanted: set[int] = set()
    for apart, i, j in pairs:
        if apart <= tolerance and i not in used_heard and j not in used_wanted:
            used_heard.add(i)
            used_wanted.add(j)
    return len(used_wanted), len(heard) - len(used_heard)


def _log_mel(sound: np.ndarray, sample_rate: int) -> np.ndarray:
    """[C, N, bands]."""
    window, hop = _MEL_WINDOW, _MEL_WINDOW // 4
    padded = np.pad(sound.astype(np.float64), ((0, max(0, window - len(sound))), (0, 0)))
    frames = np.lib.stride_tricks.sliding_window_view(padded.T, window, axis=-1)[:, ::hop]
    magnitude = np.abs(np.fft.rfft(frames * np.hanning(window + 1)[:window]))
    return np.log10(np.maximum(magnitude @ mel_filters(sample_rate, window, _MEL_BANDS), _MEL_FLOOR))


def _check_pair(original: np.ndarray, rebuilt: np.ndarray) -> None:
    if original.shape != rebuilt.shape or original.ndim != 2 or original.size == 0:
        raise ValueError(f"two sounds [S, C] of one shape are compared, got {original.shape} and {rebuilt.shape}")
    if not (np.issubdtype(original.dtype, np.floating) and np.issubdtype(rebuilt.dtype, np.floating)):
        raise ValueError(f"float sounds are compared, got {original.dtype} and {rebuilt.dtype}")
