"""What all evaluations share: checks of what is asked for, and scores as a table or as JSON."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from reelm.cli.checks import check_model
from reelm.errors import RequestError

Digits = Literal["auto", "compact", "mnist"]


def check_asked(model: str | None, clips: int | None, num_frames: int | None) -> None:
    """RequestError unless there is such a model, and the numbers count something."""
    check_model(model)
    for name, value in (("clips", clips), ("num-frames", num_frames)):
        if value is not None and value < 1:
            raise RequestError(f"--{name} is {value}; it must be 1 or more")


def is_digits(data: str) -> bool:
    """Whether a data set draws digits."""
    return data in ("moving_digits", "moving_digits_sound")


def report(
    scores: Callable[[], dict[str, Any]],
    as_json: bool,
    digits: Digits,
    split: Literal["train", "test"],
    other: str | None,
) -> None:
    """Print scores; of moving digits with the handwriting that they were drawn from.

    other: what is no moving digits, in words; None where they are drawn.
    """
    if other is None:
        with _drawn_from(digits, split) as drawn:
            _print(scores(), as_json, drawn)
        return
    if digits != "auto":
        raise RequestError(f"--digits is for moving digits, which {other} is not")
    _print(scores(), as_json)


@contextmanager
def _drawn_from(digits: Digits, split: Literal["train", "test"]) -> Iterator[Callable[[], str]]:
    """Draw scenes from these digits; yield what says in words which they are."""
    from reelm.data.moving_digits import mnist

    with mnist.drawn_from("whole" if digits == "mnist" else digits):
        if digits == "mnist":
            mnist.load(split)  # refused now, and not after minutes
        yield lambda: mnist.in_words(split)


def _print(scores: dict[str, Any], as_json: bool, digits: Callable[[], str] | None = None) -> None:
    from reelm.cli.table import table, units

    if as_json:
        print(json.dumps(({} if digits is None else {"digits": digits()}) | scores, indent=2))
        return
    if digits is not None:
        print(f"digits: {digits()}")
    print(table(scores))
    print(units(scores))
