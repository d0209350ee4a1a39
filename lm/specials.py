"""The ids of the stream that are no codes: special ids, the head of a prefix, kinds of given pictures."""

from enum import IntEnum
from typing import Literal

import numpy as np

from reelm.errors import RequestError

SPECIALS = 256  # ids below belong to the stream itself, text ids start here (VideoPoet, arXiv 2312.14125, section 3)
FILLER = 0
HEAD = 4  # ids in front of the text: first or later part of a clip, rows, columns, frames a second
BEGINS, CONTINUES = 1, 2  # the first id of a head
_ROWS, _COLUMNS, _FPS = 32, 96, 160  # first id of each run of specials
_LARGEST = 63  # latent rows, latent columns, frames a second


# What a code is a code of. A slot predicts sub-tokens of one group alone.
Group = Literal["video", "sound"]


class Given(IntEnum):
    """The kind of a slot of a given picture."""

    NOTHING = 0  # no picture: a filler, attended to like any other
    FRAME = 1  # a frame of the clip, tokenized alone
    ANCHOR = 2  # the first frame of the whole stream that a later window continues
    KNOWN = 3  # a code of the clip itself, which is to stay
    UNKNOWN = 4  # a code of the clip that is to be filled in


def check_length(tokens: int, most: int) -> None:
    """Check that the text tokens of a prompt fit; RequestError when there are more than `most`."""
    if tokens > most:
        raise RequestError(f"the prompt takes {tokens} text tokens, but {most} fit; say it in fewer words")


def prefix_ids(*, rows: int, columns: int, fps: float, text: list[int], length: int) -> np.ndarray:
    """Return the ids int32 `[length]` in front of a clip.

    Args:
        rows, columns: size of the latent grid, 1 to 63.
        fps: frames a second of the clip, rounded to a whole number, 1 to 63.
        text: ids of the text tokenizer, from 0, or as many zeros as a text encoder has embeddings; empty for no
            condition.
        length: slots, filled up with `FILLER`.

    Raises:
        RequestError: there is no id for a size, or the text does not fit.
    """
    fields = {"latent rows": rows, "latent columns": columns, "frames a second": round(fps)}
    for name, value in fields.items():
        if not 1 <= value <= _LARGEST:
            raise RequestError(f"{value} {name} cannot be asked for; the stream holds 1 to {_LARGEST}")
    head = [BEGINS, _ROWS + rows, _COLUMNS + columns, _FPS + round(fps)]
    check_length(len(text), length - len(head))
    ids = [*head, *(SPECIALS + token for token in text)]
    return np.array(ids + [FILLER] * (length - len(ids)), np.int32)
