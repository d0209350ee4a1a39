"""The harness of evaluations: generate clips for groups of prompts in batches, judge them, and draw contact sheets.

In: a model, and for each group its prompts and a judge. Out: the scores of each group, as plain JSON values. This
module does not interpret the prompts.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from reelm.errors import RequestError
from reelm.media.contact_sheet import contact_sheet
from reelm.progress import Progress, silent

T = TypeVar("T")


class HasVideo(Protocol):
    """A generated clip: video uint8 [T,H,W,3]."""

    @property
    def video(self) -> np.ndarray: ...


class Generator(Protocol):
    """A model that can be scored: it makes a clip for each prompt of a list, or one from a prompt and other inputs."""

    def generate(self, prompt: Any, /, *, num_frames: Any, seed: Any, best_of: Any) -> Any: ...


class Group(NamedTuple):
    """Prompts that are judged together.

    Attributes:
        prompts: one for each clip; None for no words.
        batch: number of clips generated together; 1 if there is `given`.
        judge: function from clips, in the order of the prompts, to their scores.
        given: other inputs of each clip, as arguments of `Model.generate`; empty for only words.
    """

    prompts: Sequence[str | None]
    batch: int
    judge: Callable[[list[Any]], dict[str, Any]]
    given: Sequence[Mapping[str, Any]] = ()


def judged_groups(
    model: Generator,
    groups: Mapping[str, Group],
    *,
    seed: int,
    num_frames: int | None,
    best_of: int = 1,
    sheets: Path | None = None,
    sheet_rows: int = 16,
    progress: Progress = silent,
) -> dict[str, dict[str, Any]]:
    """Return the scores of each group. Batch i of a group is generated with `seed` + i, unless a seed is given.

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
        for i, (asked, count) in enumerate(batches(group.prompts, group.batch)):
            options: dict[str, Any] = {"num_frames": num_frames, "seed": seed + i, "best_of": best_of}
            if group.given:
                made.append(model.generate(*asked, **{**options, **group.given[i]}))
            else:
                made += model.generate(asked, **options)[:count]
            progress(done + len(made), total)
        done += len(made)
        result[name] = group.judge(made)
        if sheets is not None:
            sheets.mkdir(parents=True, exist_ok=True)
            sheet = sheets / f"{name.replace(' ', '-')}.png"
            contact_sheet([clip.video for clip in made[:sheet_rows]], sheet, columns=9)
    return result


def batches(rows: Sequence[T], size: int) -> Iterator[tuple[list[T], int]]:
    """Yield `size` rows at a time, and the number of them that count.

    The last batch is padded with its last row, so that only one program is compiled.
    """
    for start in range(0, len(rows), size):
        batch = list(rows[start : start + size])
        yield batch + batch[-1:] * (size - len(batch)), len(batch)


def check_at_least(least: int, **numbers: int) -> None:
    """Raise a RequestError with the name of the first number that is less than `least`."""
    for name, number in numbers.items():
        if number < least:
            raise RequestError(f"{name} is {number}; it must be at least {least}")
