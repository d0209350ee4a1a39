"""Score a model of animated emoji (`reelm evaluate generation --task emoji`, and `--task emoji-chinese`).

In: a `Model` trained on `animated_emoji`, which must be built. Out: a dict of plain JSON values for each group of
prompts, from `judge.judged`, and the same for real clips rebuilt by the tokenizer, which is the best that the language
model can reach.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from reelm.evaluation.features import efficientnet
from reelm.evaluation.groups import Group, HasVideo, check_at_least, judged_groups
from reelm.progress import Progress, silent
from reelm.sampling.model import Model

from .judge import (
    CHINESE_PARAPHRASES,
    Asked,
    chinese_names,
    gallery,
    judged,
    paraphrases,
    prompts,
    traditional_names,
)
from .source import AnimatedEmojiSet, EmojiClips

GROUPS = ("trained", "held_out", "paraphrases")
CHINESE = ("simplified", "traditional", "chinese_paraphrases")

# (trained clips, held-out clips, number) -> prompts of each group with their targets.
_PROMPTS: Mapping[str, Callable[[EmojiClips, EmojiClips, int], Sequence[tuple[str, Asked]]]] = {
    "trained": lambda train, _, clips: prompts(train, clips),
    "held_out": lambda _, held_out, clips: prompts(held_out, clips),
    "paraphrases": lambda _, __, clips: paraphrases()[:clips],
    "simplified": lambda train, _, clips: chinese_names(train, clips),
    "traditional": lambda train, _, clips: traditional_names(train, clips),
    "chinese_paraphrases": lambda _, __, clips: paraphrases(CHINESE_PARAPHRASES)[:clips],
}
_SHEET_ROWS = 32


def generation(
    model: Model,
    *,
    clips: int = 200,
    batch: int = 16,
    seed: int = 0,
    best_of: int = 1,
    groups: Sequence[str] = GROUPS,
    sheets: Path | None = None,
    progress: Progress = silent,
) -> dict[str, dict[str, Any]]:
    """Score clips of three seconds from some groups of prompts, at most `clips` of each.

    trained: plain captions of the training
    held_out: captions of held-out pairs of an emoji and a skin tone; "both" is the right emoji in the right tone
    paraphrases: a hundred emoji in words that no caption has
    simplified: Chinese names, which prompt retrieval may know
    traditional: names in traditional characters that differ from all of these
    chinese_paraphrases: a hundred emoji in other Chinese words

    Each has the scores of `judge.judged`, and `rebuilt`: "both" for the real clips rebuilt by the tokenizer.
    Batch i of a group is generated with seed + i, each clip the best of `best_of`. sheets: a folder for contact sheets
    GROUP.png of the first clips.

    Raises:
        RequestError: the set was not built, or the weights of the judge's net are missing; the message says what to do.
    """
    check_at_least(1, clips=clips, batch=batch)
    net = efficientnet.load()
    train, held_out = (AnimatedEmojiSet().open(split) for split in ("train", "held_out"))
    real = gallery(net, (train, held_out))

    def group(pairs: Sequence[tuple[str, Asked]]) -> Group:
        asked = [each for _, each in pairs]

        def judge(made: Sequence[HasVideo]) -> dict[str, Any]:
            originals = [_plain(train, held_out, real.place(each)) for each in asked]
            rebuilt = [model.video_tokenizer.reconstruct(video) for video in originals]
            scores = judged(net, real, [clip.video for clip in made], asked)
            return scores | {"rebuilt": judged(net, real, rebuilt, asked)["both"]}

        return Group([words for words, _ in pairs], min(batch, len(pairs)), judge)

    return judged_groups(
        model,
        {name: group(_PROMPTS[name](train, held_out, clips)) for name in groups},
        seed=seed,
        num_frames=train.num_frames,
        best_of=best_of,
        sheets=sheets,
        sheet_rows=_SHEET_ROWS,
        progress=progress,
    )


in_chinese = partial(generation, groups=CHINESE)


def _plain(train: EmojiClips, held_out: EmojiClips, place: int) -> np.ndarray:
    """Return the real clip at an index of the gallery of both splits."""
    return (train[place] if place < train.emoji else held_out[place - train.emoji])["video"]
