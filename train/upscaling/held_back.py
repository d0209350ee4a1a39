"""How an upscaler does in training on clips that it does not train on: as a picture, and in numbers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from reelm.media.contact_sheet import contact_sheet
from reelm.tokenizer.families import VideoConfig
from reelm.tokenizer.upscaling.upscaler import Upscaler
from reelm.train.run import processes
from reelm.train.step.state import TrainState

from .config import UpscalerRun
from .pairs import small_clips


@dataclass(frozen=True)
class Enlarging:
    """How well a state enlarges held-out clips: as a picture, and in numbers.

    Attributes:
        run: sizes of the upscaler.
        small, large: the clips, uint8 `[B, T, H, W, 3]` and `[B, T, 2H, 2W, 3]`.
    """

    run: UpscalerRun
    small: np.ndarray
    large: np.ndarray

    @classmethod
    def of(cls, run: UpscalerRun, tokenizer: VideoConfig | None, params: dict, large: np.ndarray) -> Self:
        """Return clips beside the small ones that the tokenizer of these parameters rebuilds of them."""
        large = large[:, : run.data.frames, : run.data.side, : run.data.side]
        video = jnp.asarray(large, jnp.float32) / 127.5 - 1
        made = jax.jit(small_clips, static_argnums=(0, 3, 4))(tokenizer, params, video, 1.0, 0.0, jax.random.key(0))
        return cls(run, np.asarray(jnp.round((made + 1) * 127.5)).astype(np.uint8), large)

    def _made(self, params: Any) -> np.ndarray:
        return Upscaler(self.run.model, params).upscale(self.small)

    def samples(self, current: TrainState, folder: Path) -> None:
        """Write a contact sheet of every small clip, what the averaged parameters make of it, and the truth."""
        blocks = self.small.repeat(2, axis=2).repeat(2, axis=3)
        rows = zip(blocks, self._made(current.ema), self.large, strict=True)
        contact_sheet([clip for row in rows for clip in row], folder / "enlarged.png", scale=1)

    def evaluate(self, current: TrainState) -> dict[str, float]:
        """Return the mean squared error of pixels in [-1, 1], and the PSNR in dB."""
        made = self._made(processes.here(current.ema)).astype(np.float32)
        error = float(np.mean(np.square((made - self.large) / 127.5)))
        return {"loss": error, "psnr": -10 * float(np.log10(max(error, 1e-10) / 4))}
