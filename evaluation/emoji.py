"""Score a model of animated emoji (`reelm evaluate generation --task emoji`).

Comes in: a `Model` trained on `animated_emoji`, which must have been built. Goes out: a dict of plain JSON values for
each group of prompts, as `judges.emoji.judged` gives it, and the same of real clips through the tokenizer alone,
which is the most that the language model can reach.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reelm.data.animated_emoji.source import AnimatedEmojiSet, EmojiClips
from reelm.evaluation.features import efficientnet
from reelm.evaluation.judges.emoji import gallery, judged, paraphrases, prompts
from reelm.media.contact_sheet import contact_sheet
from reelm.progress import Progress, silent
from reelm.sampling.model import Model

from .generation import check_at_least, counting, generated

GROUPS = ("trained", "held_out", "paraphrases")

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
    """Score clips of three seconds from three groups of prompts, at most `clips` of each.

    trained: plain captions that training showed
    held_out: of pairs of an emoji and a skin tone that it never showed; "both" is the right emoji in the right tone
    paraphrases: a hundred emoji in words that no caption has

    Each holds what `judges.emoji.judged` gives, and `rebuilt`: "both" of the real clips through the tokenizer.
    Batch i of a group is generated with seed + i, each clip the best of `best_of`. sheets: a folder for contact sheets
    GROUP.png of the first clips.

    Raises:
        RequestError: the set was not built, or the weights of the judge's net are absent; each says what to do.
    """
    check_at_least(1, clips=clips, batch=batch)
    net = efficientnet.load()
    train, held_out = (AnimatedEmojiSet().open(split) for split in ("train", "held_out"))
    real = gallery(net, (train, held_out))
    every = {
        "trained": prompts(train, clips),
        "held_out": prompts(held_out, clips),
        "paraphrases": paraphrases()[:clips],
    }
    total, before = sum(len(every[group]) for group in groups), 0
    result: dict[str, dict[str, Any]] = {}
    for group in groups:
        pairs = every[group]
        captions, asked = [words for words, _ in pairs], [each for _, each in pairs]
        done = counting(progress, before, total)
        options: dict[str, Any] = {"num_frames": train.num_frames, "best_of": best_of}
        made = generated(model, captions, batch=min(batch, len(pairs)), seed=seed, done=done, **options)
        videos, before = [clip.video for clip in made], before + len(pairs)
        originals = [_plain(train, held_out, real.place(each)) for each in asked]
        rebuilt = [model.video_tokenizer.reconstruct(video) for video in originals]
        result[group] = judged(net, real, videos, asked) | {"rebuilt": judged(net, real, rebuilt, asked)["both"]}
        if sheets is not None:
            sheets.mkdir(parents=True, exist_ok=True)
            contact_sheet(videos[:_SHEET_ROWS], sheets / f"{group}.png", columns=9)
    return result


def _plain(train: EmojiClips, held_out: EmojiClips, place: int) -> np.ndarray:
    """Return the real clip at an index of the gallery of both splits."""
    return (train[place] if place < train.emoji else held_out[place - train.emoji])["video"]
