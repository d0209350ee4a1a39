"""The stream: how one sample lies in a row, what each slot holds and which code it predicts.

    slot      0     1      2     3    4 ...           P-1   P      P+1    ...
    holds     task  rows   cols  fps  text, fillers    ..   code 0 code 1 ...
    predicts  -     -      -     -    -               code 0  code 1 ...

The prefix is always filled up to its bucket with a filler code that is attended to like any other; after it come the
codes of the clip in raster order, latent frame by latent frame. Slots have places on three axes, (time, row, column): a
code's is its own, prefix slot i stands before the clip at time -(i + 1).
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from reelm.tokenizer.request import RequestError

Task = Literal["text_to_video"]

SPECIALS = 256  # ids below belong to the stream itself, text ids start here (VideoPoet, arXiv 2312.14125, section 3)
FILLER = 0
HEAD = 4  # ids in front of the text: task, rows, columns, frames a second
_TASKS, _ROWS, _COLUMNS, _FPS = 1, 32, 96, 160  # first id of each run of specials
_LARGEST = 63  # latent rows, latent columns, frames a second


def prefix_ids(task: Task, *, rows: int, columns: int, fps: float, text: list[int], length: int) -> np.ndarray:
    """The ids `int32 [length]` in front of a clip.

    Args:
        task: what is asked for.
        rows, columns: size of the latent grid.
        fps: frames a second of the clip, rounded to a whole number.
        text: ids of the text tokenizer, from 0; empty for no condition.
        length: the bucket.

    Raises:
        RequestError: a size without an id, or a text that does not fit the bucket.
    """
    fields = {"latent rows": rows, "latent columns": columns, "frames a second": round(fps)}
    for name, value in fields.items():
        if not 1 <= value <= _LARGEST:
            raise RequestError(f"{value} {name} cannot be asked for; the stream holds 1 to {_LARGEST}")
    head = [_TASKS + get_args(Task).index(task), _ROWS + rows, _COLUMNS + columns, _FPS + round(fps)]
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
    """Where everything stands in a sample of `prefix` slots and `frames x rows x columns` codes."""

    prefix: int
    frames: int
    rows: int
    columns: int

    @property
    def per_frame(self) -> int:
        return self.rows * self.columns

    @property
    def codes(self) -> int:
        return self.frames * self.per_frame

    @property
    def slots(self) -> int:
        return self.prefix + self.codes

    @property
    def places(self) -> np.ndarray:
        """float32 `[slots, 3]`: place of what each slot holds."""
        return self._line[: self.slots]

    @property
    def aims(self) -> np.ndarray:
        """float32 `[slots, 3]`: place of what each slot predicts; prefix slots that predict nothing aim at themselves.

        Queries turn by their aim and keys by their place, so "the code one latent frame before the one to be predicted"
        is the same rotation everywhere, also where a row of the raster ends.
        """
        return np.concatenate([self._line[: self.prefix - 1], self._line[self.prefix :]])

    @property
    def _line(self) -> np.ndarray:
        """Places of all slots and of the one code after them."""
        before = np.zeros((self.prefix, 3), np.float32)
        before[:, 0] = -1.0 - np.arange(self.prefix)
        grid = np.indices((self.frames + 1, self.rows, self.columns)).reshape(3, -1).T
        return np.concatenate([before, grid.astype(np.float32)])[: self.slots + 1]

    @property
    def mask(self) -> np.ndarray:
        """bool `[slots, slots]`: slot q (first axis) sees slot k; all of the prefix sees all of the prefix."""
        slot = np.arange(self.slots)
        return (slot[None] <= slot[:, None]) | (slot[None] < self.prefix) & (slot[:, None] < self.prefix)
