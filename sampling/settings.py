"""What a user asks of a generation, apart from the prompt and the seed."""

from dataclasses import dataclass
from typing import Literal, get_args

from reelm.errors import RequestError

from .controls import Controls

Decoding = Literal["auto", "sequential", "parallel"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything but prompt, seed and conditions that decides a clip; `Model.generate` says what each means.

    `overlap` is in latent frames. `num_frames` None is an endless clip.

    Raises:
        RequestError: an unknown way of decoding. Sizes are checked where they are used, dials by `controls`.
    """

    num_frames: int | None
    height: int
    width: int
    fps: float
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    cfg_scale: tuple[float, ...]
    negative_prompt: str | None
    overlap: int
    decoding: Decoding

    def __post_init__(self):
        if self.decoding not in get_args(Decoding):
            raise RequestError(f"decoding is {self.decoding!r}; choose one of {', '.join(get_args(Decoding))}")

    @property
    def guided(self) -> bool:
        return any(scale != 1 for scale in self.cfg_scale)

    def controls(self, frames: int) -> Controls:
        """The dials as traced values, guidance spelled out for `frames` latent frames; RequestError for a bad one."""
        scales = (*self.cfg_scale, *self.cfg_scale[-1:] * frames)[:frames]
        return Controls.checked(self.temperature, self.top_k, self.top_p, self.min_p, scales)
