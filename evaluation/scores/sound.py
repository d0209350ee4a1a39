"""Scores of rebuilt sound against its original, and of its level.

In: samples `float [S, C]`. Out: plain floats and bools. This module knows nothing of models or files.
"""

import numpy as np

from reelm.evaluation.features.mel import mel_filters

SILENT_DB = -60.0  # level of the loudest tenth of a second, below which a sound counts as silent

_MEL_WINDOW, _MEL_BANDS, _MEL_FLOOR = 1024, 80, 1e-5
_STFT_WINDOWS = (2048, 512, 128)
_BLOCK = 10  # seconds
_SI_SDR_CAP = 100.0  # dB: silence rebuilt as silence would make a mean infinite


def si_sdr(original: np.ndarray, rebuilt: np.ndarray) -> float:
    """Return the scale-invariant signal-to-distortion ratio in dB (Le Roux et al. 2019, equation 5).

    Each channel's mean is removed. It is inf if the sounds differ only in loudness, -inf if they have nothing in
    common, and NaN if the original is silent.
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
    """Return the mean absolute difference of log10-mel magnitudes: 80 bands, windows of 1,024 samples a quarter apart.

    Magnitudes below 1e-5 count as 1e-5, so that two silent sounds do not differ. A sound shorter than a window is
    padded with silence.
    """
    _check_pair(original, rebuilt)
    return float(np.mean(np.abs(_log_mel(original, sample_rate) - _log_mel(rebuilt, sample_rate))))


def stft_distance(original: np.ndarray, rebuilt: np.ndarray) -> float:
    """Return the mean absolute difference of log10 spectral magnitudes, over windows of 2,048, 512 and 128 samples.

    Magnitudes below 1e-5 count as 1e-5.
    """
    _check_pair(original, rebuilt)

    def log_magnitudes(sound: np.ndarray, window: int) -> np.ndarray:
        return np.log10(np.maximum(_magnitudes(sound, window), _MEL_FLOOR))

    apart = [np.mean(np.abs(log_magnitudes(original, w) - log_magnitudes(rebuilt, w))) for w in _STFT_WINDOWS]
    return float(np.mean(apart))


class SoundSimilarity:
    """Scores a rebuilt sound against its original piece by piece, as means over blocks of ten seconds."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._held: list[tuple[np.ndarray, np.ndarray]] = []
        self._sums = np.zeros(2)

    def add(self, original: np.ndarray, rebuilt: np.ndarray, sample_rate: int) -> None:
        """Add the next pieces float `[S, C]` of both sounds."""
        self._held.append((original, rebuilt))
        self._rate = sample_rate
        if sum(len(piece) for piece, _ in self._held) >= _BLOCK * sample_rate:
            self._close()

    @property
    def seconds(self) -> float:
        """Return the seconds of sound that were scored, which are those of blocks that are not silent."""
        self._close()
        return self._seconds

    @property
    def si_sdr(self) -> float:
        """Mean scale-invariant signal-to-distortion ratio in dB; see `si_sdr`."""
        return self._means()[0]

    @property
    def mel_distance(self) -> float:
        """Mean distance in decades; see `mel_distance`."""
        return self._means()[1]

    def _means(self) -> tuple[float, float]:
        ratio, distance = self._sums / max(self.seconds, 1e-9)
        return float(ratio), float(distance)

    def _close(self) -> None:
        if not self._held:
            return
        original, rebuilt = (np.concatenate(pieces) for pieces in zip(*self._held, strict=True))
        self._held = []
        if original.any():  # silence has no ratio
            seconds = len(original) / self._rate
            ratio = float(np.clip(si_sdr(original, rebuilt), -_SI_SDR_CAP, _SI_SDR_CAP))
            self._sums += seconds * np.array([ratio, mel_distance(original, rebuilt, self._rate)])
            self._seconds += seconds


def level_db(sound: np.ndarray, sample_rate: int) -> float:
    """Return the level in dB of full scale of the loudest tenth of a second; -inf for zeros."""
    step = max(1, sample_rate // 10)
    padded = np.pad(sound.astype(np.float64), ((0, -len(sound) % step), (0, 0)))
    power = np.mean(np.square(padded.reshape(-1, step, sound.shape[1])), axis=1).max()
    return float(10 * np.log10(power)) if power else -np.inf


def is_silent(sound: np.ndarray, sample_rate: int) -> bool:
    """Return whether every tenth of a second is silent."""
    return level_db(sound, sample_rate) < SILENT_DB


def _log_mel(sound: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return log10-mel magnitudes [C, N, bands]."""
    filters = mel_filters(sample_rate, _MEL_WINDOW, _MEL_BANDS)
    return np.log10(np.maximum(_magnitudes(sound, _MEL_WINDOW) @ filters, _MEL_FLOOR))


def _magnitudes(sound: np.ndarray, window: int) -> np.ndarray:
    """Return magnitudes [C, N, window / 2 + 1], a quarter of a window apart."""
    padded = np.pad(sound.astype(np.float64), ((0, max(0, window - len(sound))), (0, 0)))
    frames = np.lib.stride_tricks.sliding_window_view(padded.T, window, axis=-1)[:, :: window // 4]
    return np.abs(np.fft.rfft(frames * np.hanning(window + 1)[:window]))


def _check_pair(original: np.ndarray, rebuilt: np.ndarray) -> None:
    if original.shape != rebuilt.shape or original.ndim != 2 or original.size == 0:
        raise ValueError(f"two sounds [S, C] must have one shape, got {original.shape} and {rebuilt.shape}")
    if not (np.issubdtype(original.dtype, np.floating) and np.issubdtype(rebuilt.dtype, np.floating)):
        raise ValueError(f"two sounds must be float, got {original.dtype} and {rebuilt.dtype}")
