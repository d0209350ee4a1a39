"""Score whether clips move as much as a motion score asks.

Comes in: a model that knows a motion score, and prompts. Goes out: plain JSON values.
"""

from collections.abc import Callable, Sequence
from typing import Any

from reelm.evaluation.scores.ranks import spearman
from reelm.media.outlines import motion
from reelm.sampling.model import Model

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)


def at_levels(
    model: Model, prompts: Sequence[str], *, num_frames: int, seed: int = 0, done: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Return how the motion that is seen goes with the one that was asked for.

    A clip of each prompt is made at each of `LEVELS`, with the same seed.

    clips: how many
    spearman: rank correlation of both over all clips
    spearman_each: mean of that over the prompts, each of its own; what moves much by nature is no error here

    Args:
        model: makes the clips.
        prompts: what they show.
        num_frames: of each clip.
        seed: that of prompt i is seed + i.
        done: called after each clip.
    """
    asked, seen, each = list[float](), list[float](), list[float]()
    for number, prompt in enumerate(prompts):
        found = list[float]()
        for level in LEVELS:
            clip = model.generate(prompt, num_frames=num_frames, seed=seed + number, motion=level)
            found.append(motion(clip.video, clip.fps))
            done()
        asked, seen = [*asked, *LEVELS], [*seen, *found]
        each.append(spearman(LEVELS, found))
    return {"clips": len(seen), "spearman": spearman(asked, seen), "spearman_each": sum(each) / len(each)}
