"""Scores of rebuilt videos against their originals: PSNR, SSIM, flicker, overlap of silhouettes.

In: arrays. Out: plain floats. This module knows nothing of models, files or JAX.
"""

import math

import numpy as np

from reelm.media.outlines import silhouette

_BLACK = 0.3  # mean brightness of a clip; the darkest real clip, a thin blue digit, has twice that
_SSIM_SIGMA = 1.5
_SSIM_RADIUS = 5  # the paper's window of 11


def psnr(original: np.ndarray, rebuilt: np.ndarray) -> float:
    """Return the PSNR in dB of two uint8 arrays of one shape, over all values; inf when they are equal."""
    _check_pair(original, rebuilt)
    return _decibels(float(np.mean(np.square(original.astype(np.float64) - rebuilt))))


def ssim(original: np.ndarray, rebuilt: np.ndarray) -> float:
    """Return the structural similarity in [-1, 1] of two uint8 videos [..., H, W, C], over frames and channels.

    The Gaussian window has sigma 1.5 and side 11, and stays inside the frame (Wang et al. 2004, equation 13;
    scikit-image's `gaussian_weights=True, use_sample_covariance=False`). The window of a frame with a side under 11
    shrinks to that side.
    """
    _check_pair(original, rebuilt)
    if original.ndim < 3:
        raise ValueError(f"SSIM needs [..., H, W, C], got shape {original.shape}")
    height, width = original.shape[-3:-1]
    radius = min(_SSIM_RADIUS, (min(height, width) - 1) // 2)
    frames = zip(original.reshape(-1, *original.shape[-3:]), rebuilt.reshape(-1, *original.shape[-3:]), strict=True)
    return float(np.mean([_ssim_frame(a.astype(np.float64), b.astype(np.float64), radius) for a, b in frames]))


def is_black(video: np.ndarray) -> bool:
    """Return whether a video uint8 `[T, H, W, 3]` is black: the mean of its values is below 0.3 of 255."""
    return float(video.mean()) < _BLACK


class Similarity:
    """Computes `psnr` and `ssim` of two videos frame by frame, with the same result as for the whole."""

    def __init__(self) -> None:
        self._errors, self._values = 0.0, 0
        self._ssims: list[float] = []

    def add(self, original: np.ndarray, rebuilt: np.ndarray) -> None:
        """Add the next frame of each, uint8 [H, W, C]."""
        _check_pair(original, rebuilt)
        self._errors += float(np.sum(np.square(original.astype(np.float64) - rebuilt)))
        self._values += original.size
        self._ssims.append(ssim(original, rebuilt))

    @property
    def psnr(self) -> float:
        return _decibels(self._errors / self._values)

    @property
    def ssim(self) -> float:
        return float(np.mean(self._ssims))


def flicker(original: np.ndarray, rebuilt: np.ndarray) -> float:
    """Return the mean squared change of the residual between frames of uint8 videos [T,H,W,C], in steps of 1/255.

    A constant error costs nothing; one that comes and goes does, even if PSNR hardly shows it. A single frame gives 0.
    """
    _check_pair(original, rebuilt)
    residual = rebuilt.astype(np.float64) - original
    return float(np.mean(np.square(np.diff(residual, axis=0)))) if len(residual) > 1 else 0.0


def _decibels(error: float) -> float:
    return float("inf") if error == 0 else 10 * math.log10(255**2 / error)


def _check_pair(original: np.ndarray, rebuilt: np.ndarray) -> None:
    if original.shape != rebuilt.shape or original.size == 0:
        raise ValueError(f"two arrays must have one shape, got {original.shape} and {rebuilt.shape}")
    if original.dtype != np.uint8 or rebuilt.dtype != np.uint8:
        raise ValueError(f"two arrays must be uint8, got {original.dtype} and {rebuilt.dtype}")


def _ssim_frame(x: np.ndarray, y: np.ndarray, radius: int) -> float:
    """Return the SSIM of two frames [H,W,C] in 0..255."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_x, mean_y = _window_mean(x, radius), _window_mean(y, radius)
    variance_x = _window_mean(x * x, radius) - mean_x**2
    variance_y = _window_mean(y * y, radius) - mean_y**2
    covariance = _window_mean(x * y, radius) - mean_x * mean_y
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float(np.mean(similarity / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2))))


def _window_mean(x: np.ndarray, radius: int) -> np.ndarray:
    """Return the Gaussian-weighted means of [H,W,C] over each inner window of side 2*radius+1: [H-2r, W-2r, C]."""
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / _SSIM_SIGMA) ** 2)
    weights /= weights.sum()
    rows = x.shape[0] - 2 * radius
    columns = x.shape[1] - 2 * radius
    x = np.sum([w * x[i : i + rows] for i, w in enumerate(weights)], axis=0)
    return np.sum([w * x[:, i : i + columns] for i, w in enumerate(weights)], axis=0)


def silhouette_overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Return the intersection over union of the silhouettes of two clips uint8 `[T, H, W, 3]`."""
    one, other = (silhouette(each)[..., 0] > 0 for each in (a, b))
    return float((one & other).sum() / max(1, (one | other).sum()))
