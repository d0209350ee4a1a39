"""The stream: how one sample lies in a row, what each slot holds and which code it predicts.

    slot      0 ...             G    G+1   G+2   G+3   G+4 ...          G+P-1   G+P    G+P+1  ...
    holds     given codes ...   how  rows  cols  fps   text, fillers     ..     code 0 code 1 ...
    predicts  -                 -    -     -     -     -                code 0  code 1 ...

The prefix is what is known of a clip before its first code, read in both directions: pictures it must show (`Given`),
then words. The words are always filled up to their bucket with a filler code that is attended to like any other; after
them come the codes of the clip in raster order, latent frame by latent frame. Slots have places on three axes, (time,
row, column), time in latent frames: a code's is its own, a given picture stands where it belongs in the clip, and word
i stands before the clip at time -(i + 1).
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np

from reelm.tokenizer.request import RequestError

SPECIALS = 256  # ids below belong to the stream itself, text ids start here (VideoPoet, arXiv 2312.14125, section 3)
FILLER = 0
HEAD = 4  # ids in front of the text: how it begins, rows, columns, frames a second
_BEGINS, _CONTINUES, _ROWS, _COLUMNS, _FPS = 1, 2, 32, 96, 160  # first id of each run of specials
_LARGEST = 63  # latent rows, latent columns, frames a second


# What a model may have been trained for: clips from their beginning, windows of longer ones, clips that show given
# frames, clips with gaps.
Task = Literal["begins", "continues", "frames", "fills"]


class Given(IntEnum):
    """What a slot of a given picture says."""

    NOTHING = 0  # the picture is not there: a filler, attended to like any other
    FRAME = 1  # a frame of the clip, tokenized alone, at the picture's time
    ANCHOR = 2  # the first frame of the whole stream that a later window continues
    KNOWN = 3  # a code of the clip itself, as it is to be
    UNKNOWN = 4  # a place of the clip that is to be filled in


def prefix_ids(
    *, rows: int, columns: int, fps: float, text: list[int], length: int, continues: bool = False
) -> np.ndarray:
    """The ids `int32 [length]` in front of a clip.

    Args:
        rows, columns: size of the latent grid.
        fps: frames a second of the clip, rounded to a whole number.
        text: ids of the text tokenizer, from 0; empty for no condition.
        length: the bucket.
        continues: whether the codes are a later part of a longer clip, whose beginning must not happen again.

    Raises:
        RequestError: a size without an id, or a text that does not fit the bucket.
    """
    fields = {"latent rows": rows, "latent columns": columns, "frames a second": round(fps)}
    for name, value in fields.items():
        if not 1 <= value <= _LARGEST:
            raise RequestError(f"{value} {name} cannot be asked for; the stream holds 1 to {_LARGEST}")
    head = [_CONTINUES if continues else _BEGINS, _ROWS + rows, _COLUMNS + columns, _FPS + round(fps)]
    room = length - len(head)
    if len(text) > room:
        raise RequestError(f"the prompt takes {len(text)} text tokens, but {room} fit; say it in fewer words")
    ids = [*head, *(SPECIALS + token for token in text)]
    return np.array(ids + [FILLER] * (length - len(ids)), np.int32)


def without_text(prefix: np.ndarray) -> np.ndarray:
    """Prefixes `[..., P]` with their text taken out: the unconditional ones, for guidance and for condition dropout."""
    return np.where(prefix >= SPECIALS, FILLER, prefix).astype(np.int32)


@dataclass(frozen=True)
class Layout:
    """Where everything stands in a sample of `given` pictures, `prefix` words and `frames x rows x columns` codes."""

    prefix: int
    frames: int
    rows: int
    columns: int
    given: int = 0

    @property
    def per_frame(self) -> int:
        return self.rows * self.columns

    @property
    def codes(self) -> int:
        return self.frames * self.per_frame

    @property
    def before(self) -> int:
        """Slots in front of the codes."""
        return self.given * self.per_frame + self.prefix

    @property
    def slots(self) -> int:
        return self.before + self.codes

    @property
    def places(self) -> np.ndarray:
        """float32 `[prefix + codes, 3]`: place of what each slot after the given pictures holds."""
        return self._line[:-1]

    @property
    def aims(self) -> np.ndarray:
        """float32 `[prefix + codes, 3]`: place of what each of these slots predicts; of words but the last, their own.

        Queries turn by their aim and keys by their place, so "the code one latent frame before the one to be predicted"
        is the same rotation everywhere, also where a row of the raster ends.
        """
        return np.concatenate([self._line[: self.prefix - 1], self._line[self.prefix :]])

    @property
    def grid(self) -> np.ndarray:
        """float32 `[rows x columns, 3]`: places of one latent frame at time 0."""
        return np.indices((1, self.rows, self.columns)).reshape(3, -1).T.astype(np.float32)

    @property
    def _line(self) -> np.ndarray:
        """Places of words and codes, and of the one code after them."""
        words = np.zeros((self.prefix, 3), np.float32)
        words[:, 0] = -1.0 - np.arange(self.prefix)
        codes = np.indices((self.frames + 1, self.rows, self.columns)).reshape(3, -1).T
        return np.concatenate([words, codes.astype(np.float32)])[: self.prefix + self.codes + 1]

    @property
    def mask(self) -> np.ndarray:
        """bool `[slots, slots]`: slot q (first axis) sees slot k; all of the prefix sees all of the prefix."""
        slot = np.arange(self.slots)
        return (slot[None] <= slot[:, None]) | (slot[None] < self.before) & (slot[:, None] < self.before)
