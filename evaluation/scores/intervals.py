"""Means and rates over clips, and their confidence intervals."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_NONE: Mapping[str, str] = {}


def means(clips: Sequence[Mapping[str, Any]], intervals: Mapping[str, str] = _NONE) -> dict[str, Any]:
    """Return the mean of each score over clips; for bools it is the fraction of clips in which they are True.

    clips: the scores of each clip by name; a list for several scores of equal weight, None if a score does not apply.
        The mean of nothing is None.
    intervals: names of some scores, and the names for their 95% bounds: Wilson bounds for bools, else from the standard
        error.
    """
    result: dict[str, Any] = {}
    for name in clips[0]:
        found = [np.atleast_1d(clip[name]) for clip in clips if clip[name] is not None]
        result[name] = float(np.concatenate(found).mean()) if found else None
        if name in intervals:
            result[intervals[name]] = list(_interval(np.concatenate(found))) if found else None
    return result


def _interval(values: np.ndarray) -> tuple[float, float]:
    truths = values.dtype == bool
    return wilson_interval(int(values.sum()), len(values)) if truths else mean_interval(values.tolist())


def wilson_interval(successes: int, n: int, *, z: float = 1.959964) -> tuple[float, float]:
    """Return bounds of the true rate for `successes` of `n` trials (Wilson 1927), at 95% for the default `z`.

    Unlike the normal approximation it stays inside [0, 1] and is valid near both ends. Without trials it is (0, 1).
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes must be in 0..{n}, got {successes}")
    if n == 0:
        return 0.0, 1.0
    share = successes / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At 0 and n a bound equals the rate itself, except for rounding.
    return max(0.0, min(share, middle - reach)), min(1.0, max(share, middle + reach))


def mean_interval(values: Sequence[float], *, z: float = 1.959964) -> tuple[float, float]:
    """Return bounds of the true mean of independent values from their standard error, at 95% for the default `z`.

    For a single value they are (-inf, inf).
    """
    if len(values) < 2:
        return -math.inf, math.inf
    reach = z * statistics.stdev(values) / math.sqrt(len(values))
    middle = statistics.fmean(values)
    return middle - reach, middle + reach
