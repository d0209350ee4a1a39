"""The ids of the stream that are not codes: special ids, the head of a prefix, names and kinds of given pictures."""

import re
import unicodedata
from collections.abc import Mapping
from enum import IntEnum
from typing import Literal

import numpy as np

from reelm.errors import RequestError

SPECIALS = 256  # ids below belong to the stream itself, text ids start here (VideoPoet, arXiv 2312.14125, section 3)
FILLER = 0
HEAD = 4  # ids in front of the text: first or later part of a clip, rows, columns, frames a second
BEGINS, CONTINUES, CUT = 1, 2, 3  # the first id of a head
_ROWS, _COLUMNS, _FPS = 32, 96, 160  # first id of each run of specials
NAMES = 224  # <k> has the id k further on, among the words and in the slots of its picture
LARGEST = 63  # latent rows, latent columns, frames a second

MOST_REFERENCES = 4  # <1> to <4>
REFERENCES_AT, CUT_FROM = -1000.0, -500.0  # times of reference 0, and of an anchor before a cut: far from all else
_NAME = re.compile(r"<(\d{1,9})>")

# The groups of codes. A slot predicts sub-tokens of only one group.
Group = Literal["video", "sound"]


class PictureKind(IntEnum):
    """The kind of a slot of a given picture."""

    NOTHING = 0  # no picture: a filler, attended to like any other
    FRAME = 1  # a frame of the clip, tokenized by itself
    ANCHOR = 2  # the first frame of the whole stream that a later window continues
    KNOWN = 3  # a code of the clip itself, which must not change
    UNKNOWN = 4  # a code of the clip that must be filled in
    REFERENCE = 5  # a picture of a subject that words call <1> to <4>, tokenized by itself


def around_names(words: str) -> tuple[list[str], list[int]]:
    """Split a text at its names: return (the parts before, between and after them, the numbers of the names)."""
    parts = _NAME.split(unicodedata.normalize("NFKC", words))
    return parts[::2], [int(number) for number in parts[1::2]]


def renamed(words: str, numbers: Mapping[int, int]) -> str:
    """Return a text with other numbers in its names."""
    first, *parts = around_names(words)[0]
    names = (f"<{numbers[number]}>" for number in around_names(words)[1])
    return first + "".join(name + part for name, part in zip(names, parts, strict=True))


def check_length(tokens: int, most: int) -> None:
    """Check that the text tokens of a prompt fit; RequestError when there are more than `most`."""
    if tokens > most:
        raise RequestError(f"the prompt takes {tokens} text tokens, but {most} fit; say it in fewer words")


def prefix_ids(*, rows: int, columns: int, fps: float, text: list[int], length: int) -> np.ndarray:
    """Return the ids int32 `[length]` in front of a clip.

    Args:
        rows, columns: size of the latent grid, 1 to 63.
        fps: frames a second of the clip, rounded to a whole number, 1 to 63.
        text: ids of the words: `SPECIALS` and more for pieces of the text tokenizer, `NAMES` and more for names,
            `SPECIALS` for each embedding of a text encoder. Empty for no condition.
        length: slots, filled up with `FILLER`.

    Raises:
        RequestError: there is no id for a size, or the text does not fit.
    """
    fields = {"latent rows": rows, "latent columns": columns, "frames a second": round(fps)}
    for name, value in fields.items():
        if not 1 <= value <= LARGEST:
            raise RequestError(f"{value} {name} are not possible; they must be 1 to {LARGEST}")
    head = [BEGINS, _ROWS + rows, _COLUMNS + columns, _FPS + round(fps)]
    check_length(len(text), length - len(head))
    ids = [*head, *text]
    return np.array(ids + [FILLER] * (length - len(ids)), np.int32)
