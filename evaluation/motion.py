"""Score whether the motion of clips follows the requested motion score.

In: prompts, for a model with a motion score. Out: a group of them, which is judged by rank correlation.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from reelm.media.outlines import motion

from .groups import Group

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)


def at_levels(prompts: Sequence[str], *, seed: int = 0) -> Group:
    """Return a group of each prompt at each of `LEVELS`, with the seed `seed` + i for prompt i. Its scores:

    clips: number of clips
    spearman: rank correlation, over all clips, of requested and measured motion
    spearman_each: mean of the rank correlations of each prompt, so that subjects which always move much do not matter
    """
    asked = [(prompt, {"motion": level, "seed": seed + i}) for i, prompt in enumerate(prompts) for level in LEVELS]

    def judge(made: Sequence[Any]) -> dict[str, Any]:
        seen = [motion(clip.video, clip.fps) for clip in made]
        each = [spearman(LEVELS, seen[first : first + len(LEVELS)]) for first in range(0, len(seen), len(LEVELS))]
        return {
            "clips": len(seen),
            "spearman": spearman(LEVELS * len(prompts), seen),
            "spearman_each": sum(each) / len(each),
        }

    return Group([prompt for prompt, _ in asked], 1, judge, [given for _, given in asked])


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """Return Spearman's rank correlation; ties get their mean rank, and constant values give 0."""

    def ranks(values: Sequence[float]) -> np.ndarray:
        _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        return (np.cumsum(counts) - (counts + 1) / 2)[inverse]

    first, second = (each - each.mean() for each in (ranks(a), ranks(b)))
    return float(first @ second / max(1e-9, np.linalg.norm(first) * np.linalg.norm(second)))
