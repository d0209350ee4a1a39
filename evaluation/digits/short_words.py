"""Score clips from prompts that leave most unsaid: a digit without colour or direction.

Comes in: a model of moving digits. Goes out: a dict of plain JSON values for each kind of prompt. Such prompts show
whether decoding is too strict: what is likeliest at first is black, and nothing else may ever be drawn.
"""

from collections.abc import Sequence
from typing import Any

from reelm.data.moving_digits.scenes import DIGIT_WORDS
from reelm.evaluation.groups import Generator, Group, HasVideo, check_at_least, judged_groups
from reelm.evaluation.judges.digits import read
from reelm.evaluation.scores.intervals import means
from reelm.evaluation.scores.pictures import is_black
from reelm.progress import Progress, silent

PROMPTS = {"digit": "{}", "moves": "a {} moves"}
"""Kinds of prompts, each with the name of a digit to be put in."""


def from_short_words(
    model: Generator,
    *,
    clips: int = 40,
    seed: int = 0,
    num_frames: int = 17,
    best_of: int = 1,
    progress: Progress = silent,
) -> dict[str, dict[str, Any]]:
    """Return scores for each kind of `PROMPTS`, with all digits in turn; the n-th ten clips have the seed `seed` + n.

    clips: how many were judged
    digit, digit_interval: share that shows the digit, and its 95% Wilson bounds
    black: share of black clips, see `is_black`
    """
    check_at_least(1, clips=clips)
    check_at_least(2, num_frames=num_frames)
    asked = [i % len(DIGIT_WORDS) for i in range(clips)]

    def judge(made: Sequence[HasVideo]) -> dict[str, Any]:
        pairs = [(clip.video, digit) for clip, digit in zip(made, asked, strict=True)]
        scores = [{"digit": read(video)[0].digit == digit, "black": is_black(video)} for video, digit in pairs]
        return {"clips": clips, **means(scores, {"digit": "digit_interval"})}

    words = {kind: [prompt.format(DIGIT_WORDS[digit]) for digit in asked] for kind, prompt in PROMPTS.items()}
    groups = {kind: Group(prompts, len(DIGIT_WORDS), judge) for kind, prompts in words.items()}
    return judged_groups(model, groups, seed=seed, num_frames=num_frames, best_of=best_of, progress=progress)
