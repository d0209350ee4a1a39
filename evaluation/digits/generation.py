"""Score generated clips of moving digits with the judge.

Comes in: anything that generates clips from prompts. Goes out: dicts of plain JSON values.
The prompts and scenes are those of `moving_digits`, drawn from test handwriting; the judge sees pixels alone. Knows
nothing of how the clips are made. `reconstruction.py` scores rebuilt clips.
"""

from collections.abc import Callable, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from reelm.data.moving_digits import scenes as moving_digits
from reelm.data.moving_digits.scenes import Mover, Scene, Split
from reelm.errors import RequestError
from reelm.evaluation.groups import Generator, Group, HasVideo, check_at_least, judged_groups
from reelm.evaluation.judges.digits import Reading, read
from reelm.evaluation.scores.intervals import means
from reelm.progress import Progress, silent

# What is asked of a model, each by its split and its number of digits.
GROUPS: dict[str, tuple[Split, int]] = {"trained": ("test", 1), "held_out": ("held_out", 1), "two": ("test", 2)}

Captions = Callable[[Scene, np.random.Generator], str]
"""What says what is to be seen in a scene."""

_FIELDS = ("digit", "colour", "direction")
_SHEET_ROWS = 16


def generation(
    model: Generator,
    *,
    clips: int = 200,
    batch: int = 16,
    seed: int = 0,
    num_frames: int = 17,
    best_of: int = 1,
    groups: Sequence[str] = tuple(GROUPS),
    caption: Captions = moving_digits.caption,
    sheets: Path | None = None,
    progress: Progress = silent,
) -> dict[str, dict[str, Any]]:
    """Return the share of prompts whose generated clip shows what was asked, for each group of prompts.

    Groups: `trained` and `held_out`, one digit of a combination of digit, colour and direction that training showed or
    never showed; `two`, two digits, whose shares count clips in which both are right. Each group holds

        clips: how many were judged
        all_right, interval: share with digit, colour and direction right, and its 95% Wilson bounds
        digit, colour, direction: share with that field right
        real: `all_right` of the judge on real clips of the very same scenes, the most that can be reached

    Batch i of a group is generated with seed + i, since every prompt of one list uses the same seed.
    best_of: clips drawn for each that is judged; see `Model.generate`. caption: says what is asked.
    sheets: a folder for contact sheets GROUP.png of the first clips. progress: called with clips done and in all.
    """
    check_at_least(1, clips=clips, batch=batch)
    check_at_least(2, num_frames=num_frames)
    if unknown := set(groups) - set(GROUPS):
        raise RequestError(f"no group of prompts is named {sorted(unknown)[0]!r}; there are {', '.join(GROUPS)}")
    return judged_groups(
        model,
        {group: _asked(group, clips, min(batch, clips), seed, num_frames, caption) for group in groups},
        seed=seed,
        num_frames=num_frames,
        best_of=best_of,
        sheets=sheets,
        sheet_rows=_SHEET_ROWS,
        progress=progress,
    )


def _asked(name: str, clips: int, batch: int, seed: int, num_frames: int, caption: Captions) -> Group:
    scenes, captions = prompts(name, clips, seed=seed, caption=caption)

    def judge(made: Sequence[HasVideo]) -> dict[str, Any]:
        real = judged(rendered(name, scenes, num_frames), scenes)
        return judged([clip.video for clip in made], scenes) | {"real": real["all_right"]}

    return Group(captions, batch, judge)


def prompts(
    group: str, clips: int, *, seed: int = 0, caption: Captions = moving_digits.caption
) -> tuple[list[Scene], list[str]]:
    """Return the scenes and captions of a group of `GROUPS`. A larger number of clips begins with the same ones."""
    split, count = GROUPS[group]
    digits = moving_digits.digits_for(split)
    rng = np.random.default_rng([1, list(GROUPS).index(group), seed])
    scenes, captions = [], []
    for _ in range(clips):
        scenes.append(moving_digits.sample_scene(rng, digits, split=split, count=count))
        captions.append(caption(scenes[-1], rng))
    return scenes, captions


def rendered(group: str, scenes: Sequence[Scene], num_frames: int) -> list[np.ndarray]:
    """Return the real clips of the scenes of a group."""
    digits = moving_digits.digits_for(GROUPS[group][0])
    return [moving_digits.render(scene, digits, num_frames) for scene in scenes]


def judged(videos: Sequence[np.ndarray], scenes: Sequence[Scene]) -> dict[str, Any]:
    """Return the shares of clips of known scenes that the judge reads rightly."""
    right = [_right(read(v, len(s.movers)), s.movers) for v, s in zip(videos, scenes, strict=True)]
    scores = [{"all_right": all(each), **dict(zip(_FIELDS, each, strict=True))} for each in right]
    return {"clips": len(right), **means(scores, {"all_right": "interval"})}


def _right(readings: Sequence[Reading], movers: Sequence[Mover]) -> list[bool]:
    """Return whether digit, colour and direction of all movers are right, in the best pairing of movers."""

    def matches(pairing: Sequence[Reading]) -> list[list[bool]]:
        pairs = zip(pairing, movers, strict=True)
        return [[getattr(reading, field) == getattr(mover, field) for field in _FIELDS] for reading, mover in pairs]

    best = max((matches(pairing) for pairing in permutations(readings)), key=np.sum)
    return np.all(best, axis=0).tolist()
