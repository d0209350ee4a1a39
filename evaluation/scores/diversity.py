"""How much the clips of a set differ from one another."""

import numpy as np


def diversity(features: np.ndarray) -> float:
    """Return the mean distance between two of a set of features [N, D], over all pairs; 0 for a set of equal ones."""
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"at least two features differ from one another, got {features.shape}")
    features = features.astype(np.float64)
    features = features - features.mean(axis=0)  # distances stay, and rounding gets smaller
    squares = np.sum(np.square(features), axis=1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * features @ features.T, 0))
    np.fill_diagonal(distances, 0)
    return float(distances.sum() / (len(features) * (len(features) - 1)))
