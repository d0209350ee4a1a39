"""Frechet distance between two sets of features."""

import numpy as np


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Frechet distance of Gaussians of two sets of features [N,D] and [M,D] (arXiv 1706.08500, equation 6).

    With fewer samples than features the covariances are singular; the distance is still defined, but too large.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    if a.ndim != 2 or a.shape[1:] != b.shape[1:] or min(len(a), len(b)) < 2:
        raise ValueError(f"the sets need at least two features each of one size, got {a.shape} and {b.shape}")
    covariances = [np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b)]
    # The trace of the root of the product equals that of a symmetric matrix, whose root is real.
    values, vectors = np.linalg.eigh(covariances[0])
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    cross = np.linalg.eigvalsh(root @ covariances[1] @ root)
    trace = np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * np.sum(np.sqrt(np.maximum(cross, 0)))
    return float(np.sum(np.square(a.mean(0) - b.mean(0))) + max(trace, 0.0))
