"""What a user asks of a generation, apart from the prompt and the seed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from reelm.tokenizer.request import RequestError

Decoding = Literal["auto", "sequential", "parallel"]
Callback = Callable[[int, int], object]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything but the prompt and the seed that decides a clip; `Model.generate` says what each means.

    Raises:
        RequestError: an unknown way of decoding. Sizes and dials are checked where they are used.
    """

    num_frames: int
    height: int
    width: int
    fps: float
    temperature: float
    top_k: int
    top_p: float
    cfg_scale: float
    negative_prompt: str | None
    decoding: Decoding

    def __post_init__(self):
        if self.decoding not in get_args(Decoding):
            raise RequestError(f"decoding is {self.decoding!r}; choose one of {', '.join(get_args(Decoding))}")
