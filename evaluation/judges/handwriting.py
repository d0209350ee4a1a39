"""A judge of handwriting that learned nothing: which of many pictures of a digit a clip shows.

In: frames, and pictures of digits. Out: how like they are, as the best correlation over all shifts. Knows nothing of
models, and shares no weights with anything.
"""

import numpy as np

from reelm.data.moving_digits.scenes import COLOURS

_EPSILON = 1e-6


def ink(frames: np.ndarray, colour: str) -> np.ndarray:
    """Return how much each pixel of frames uint8 `[T, H, W, 3]` is of one of `COLOURS`, float `[T, H, W]`, 0 to 255.

    That is what all channels of the colour have, without what the others have. So it is no digit of another colour,
    but where two of them cross.
    """
    full = np.array(COLOURS[colour]) > 0
    values = frames.astype(np.float64)
    others = values[..., ~full].max(axis=-1) if not full.all() else 0.0
    return np.maximum(values[..., full].min(axis=-1) - others, 0)


def similarity(frames: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return how like each handwriting is to what frames show, float `[n]` up to 1: the mean over the frames.

    Args:
        frames: float `[T, H, W]`, one digit on black.
        images: uint8 `[n, h, w]`, no larger than a frame.
    """
    size, (height, width) = frames.shape[1:], images.shape[1:]
    patterns = images - images.mean(axis=(1, 2), keepdims=True)
    patterns /= np.sqrt(np.square(patterns).sum(axis=(1, 2), keepdims=True)) + _EPSILON
    spectra = np.conj(np.fft.rfft2(patterns, size))
    found = np.zeros(len(images))
    for frame in frames:
        inside = slice(size[0] - height + 1), slice(size[1] - width + 1)
        products = np.fft.irfft2(spectra * np.fft.rfft2(frame), size)[:, *inside]
        total, squares = (_sums(each, height, width) for each in (frame, np.square(frame)))
        spread = np.sqrt(np.maximum(squares - np.square(total) / (height * width), 0))
        # Beside a digit there is nothing to compare.
        seen = spread > 0.1 * spread.max()
        found += np.where(seen, products / (spread + _EPSILON), -1).max(axis=(1, 2))
    return found / len(frames)


def _sums(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the sum of each window of a frame `[H, W]`, `[H - h + 1, W - w + 1]`."""
    total = np.pad(frame, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    ends = total[height:] - total[:-height]
    return ends[:, width:] - ends[:, :-width]
