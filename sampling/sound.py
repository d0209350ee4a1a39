"""Sound as float32 samples beside frames: what is accepted, and how it is made as long as the picture.

The rule for lengths: sound begins with the first frame and has `round(frames * sample_rate / fps)` samples. What is
longer is cut, what is shorter ends in silence, and a difference of more than a tenth of a second is said in one line
of the log `reelm`.
"""

import logging

import numpy as np
from numpy.typing import NDArray

from reelm.tokenizer.request import RequestError

Sound = NDArray[np.float32]  # [S,C] in [-1,1]

_log = logging.getLogger("reelm")


def samples_beside(frames: int, fps: float, sample_rate: int) -> int:
    """How many samples of sound last as long as `frames` frames."""
    return round(frames * sample_rate / fps)


def fitted(sound: Sound, samples: int) -> Sound:
    """Sound [S,C] cut or continued by silence to exactly `samples`."""
    missing = max(0, samples - len(sound))
    return np.concatenate([sound[:samples], np.zeros((missing, sound.shape[1]), np.float32)])


def say_length(missing: int, sample_rate: int) -> None:
    """Logs that `missing` samples are to be filled, or, below zero, cut."""
    # Codecs work in blocks of 1,024 to 2,048 samples, so that most files are off by some hundredths of a second.
    if abs(missing) >= 0.1 * sample_rate:
        comparison, remedy = ("shorter", "the end is silent") if missing > 0 else ("longer", "the rest is cut")
        _log.warning("the sound is %.2f s %s than the picture: %s", abs(missing) / sample_rate, comparison, remedy)


def check_sound(sound: object, sample_rate: object) -> None:
    """Refuses what is not float32 [S,C] of one or two channels at a positive whole rate, all samples finite."""
    if not isinstance(sound, np.ndarray) or sound.dtype != np.float32 or sound.ndim != 2:
        found = f"{sound.dtype} of shape {sound.shape}" if isinstance(sound, np.ndarray) else type(sound).__name__
        raise RequestError(f"sound is {found}; it must be a float32 array [samples, channels]")
    if sound.shape[1] not in (1, 2):
        raise RequestError(f"sound has {sound.shape[1]} channels; it must have 1 or 2")
    if isinstance(sample_rate, bool) or not isinstance(sample_rate, int | np.integer) or sample_rate < 1:
        raise RequestError(f"sound needs a sample_rate in whole Hz, such as 16000; it is {sample_rate!r}")
    if not np.isfinite(sound).all():
        raise RequestError("sound holds NaN or infinite samples; every sample must be a number in [-1, 1]")
