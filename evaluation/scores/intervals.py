"""Confidence intervals of shares and means."""

import math
import statistics
from collections.abc import Sequence


def wilson_interval(successes: int, n: int, *, z: float = 1.959964) -> tuple[float, float]:
    """Bounds of the true share behind `successes` of `n` trials (Wilson 1927), at 95% for the default `z`.

    Unlike the normal approximation it stays inside [0, 1] and holds near both ends. No trials say nothing: (0, 1).
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes must lie in 0..{n}, got {successes}")
    if n == 0:
        return 0.0, 1.0
    share = successes / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At 0 and n the bounds meet the share itself, but for rounding.
    return max(0.0, min(share, middle - reach)), min(1.0, max(share, middle + reach))


def mean_interval(values: Sequence[float], *, z: float = 1.959964) -> tuple[float, float]:
    """Bounds of the true mean behind independent values, at 95% for the default `z`: by their standard error.

    One value says nothing about how far it may be off: (-inf, inf).
    """
    if len(values) < 2:
        return -math.inf, math.inf
    reach = z * statistics.stdev(values) / math.sqrt(len(values))
    middle = statistics.fmean(values)
    return middle - reach, middle + reach
