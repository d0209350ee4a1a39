"""Groups of prompts: clips are made of each in batches, judged, and shown on a sheet.

In: a model, and for each group its prompts and a judge. Out: the scores of each group, as plain JSON values. Knows
nothing of what the prompts ask for.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from reelm.errors import RequestError
from reelm.media.contact_sheet import contact_sheet
from reelm.progress import Progress, silent


class HasVideo(Protocol):
    """A generated clip: video uint8 [T,H,W,3]."""

    @property
    def video(self) -> np.ndarray: ...


class Generator(Protocol):
    """A model that can be scored: it makes a clip for each prompt of a list."""

    def generate(self, prompt: list[str], *, num_frames: int, seed: int, best_of: int) -> Sequence[HasVideo]: ...


class Group(NamedTuple):
    """Prompts that are judged together.

    Attributes:
        prompts: one for each clip.
        batch: how many are generated together.
        judge: clips, in the order of the prompts -> their scores.
    """

    prompts: Sequence[str]
    batch: int
    judge: Callable[[list[Any]], dict[str, Any]]


def judged_groups(
    model: Generator,
    groups: Mapping[str, Group],
    *,
    seed: int,
    num_frames: int,
    best_of: int,
    sheets: Path | None = None,
    sheet_rows: int = 16,
    progress: Progress = silent,
) -> dict[str, dict[str, Any]]:
    """Return the scores of each group. Batch i of a group is generated with `seed` + i.

    Args:
        model: makes the clips.
        groups: each by its name.
        seed, num_frames, best_of: see `Model.generate`.
        sheets: folder for contact sheets GROUP.png of the first clips; None for none.
        sheet_rows: clips on a sheet.
        progress: called with clips done and in all.
    """
    total, done = sum(len(group.prompts) for group in groups.values()), 0
    result: dict[str, dict[str, Any]] = {}
    for name, group in groups.items():
        made: list[Any] = []
        for i, start in enumerate(range(0, len(group.prompts), group.batch)):
            asked = list(group.prompts[start : start + group.batch])
            # The last batch is filled up, so that the model's program is compiled for one shape alone.
            full = (asked * group.batch)[: group.batch]
            made += model.generate(full, num_frames=num_frames, seed=seed + i, best_of=best_of)[: len(asked)]
            progress(done + len(made), total)
        done += len(made)
        result[name] = group.judge(made)
        if sheets is not None:
            sheets.mkdir(parents=True, exist_ok=True)
            contact_sheet([clip.video for clip in made[:sheet_rows]], sheets / f"{name}.png", columns=9)
    return result


def check_at_least(least: int, **numbers: int) -> None:
    """RequestError, which gives the name, unless every number is at least `least`."""
    for name, number in numbers.items():
        if number < least:
            raise RequestError(f"{name} is {number}; it must be at least {least}")
