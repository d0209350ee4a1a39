"""Shared by all evaluations: checks of the arguments, and scores as a table or as JSON."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from reelm.cli.checks import check_model
from reelm.errors import RequestError

Digits = Literal["auto", "compact", "mnist"]


def check_asked(model: str | None, clips: int | None, num_frames: int | None) -> None:
    """Check that there is such a model, and that the numbers are 1 or more; RequestError if not."""
    check_model(model)
    for name, value in (("clips", clips), ("num-frames", num_frames)):
        if value is not None and value < 1:
            raise RequestError(f"--{name} is {value}; it must be 1 or more")


def is_digits(data: str) -> bool:
    """Return whether a data set draws digits."""
    return data in ("moving_digits", "moving_digits_sound")


def report(
    scores: Callable[[], dict[str, Any]],
    as_json: bool,
    digits: Digits,
    split: Literal["train", "test"],
    other: str | None,
) -> None:
    """Print scores; for moving digits also which handwriting they were drawn from.

    other: name of an evaluation without moving digits, for the error about --digits; None for moving digits.
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
    """Draw scenes from these digits; yield a function that returns which they are, in words."""
    from reelm.data.moving_digits import mnist

    with mnist.drawn_from("whole" if digits == "mnist" else digits):
        if digits == "mnist":
            mnist.load(split)  # missing files are refused now, not after minutes
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
