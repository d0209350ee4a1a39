"""Rank correlation."""

from collections.abc import Sequence

import numpy as np


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """Return Spearman's rank correlation; ties have the mean of their ranks, and equal values no correlation."""

    def ranks(values: Sequence[float]) -> np.ndarray:
        _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        return (np.cumsum(counts) - (counts + 1) / 2)[inverse]

    first, second = (each - each.mean() for each in (ranks(a), ranks(b)))
    return float(first @ second / max(1e-9, np.linalg.norm(first) * np.linalg.norm(second)))
