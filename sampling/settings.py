"""Options once every open one has its value."""

from dataclasses import dataclass
from typing import Any

from .controls import Controls
from .options import Options


@dataclass(frozen=True, kw_only=True)
class Settings(Options):
    """The options of a request with the model's defaults filled in. `num_frames` None is an endless clip.

    Attributes:
        cfg_scale: guidance scale of latent frame 0, 1, ...; the last one goes on.
        latent_overlap: `overlap` in latent frames.
    """

    height: int
    width: int
    fps: float
    min_p: float
    cfg_scale: tuple[float, ...]
    latent_overlap: int

    @property
    def guided(self) -> bool:
        """Whether guidance changes any latent frame."""
        return any(scale != 1 for scale in self.cfg_scale)

    def controls(self, frames: int) -> Controls:
        """Return the traced values, with the guidance scale of each of `frames` latent frames."""
        scales = (*self.cfg_scale, *self.cfg_scale[-1:] * frames)[:frames]
        return Controls.of(self.temperature, self.top_k, self.top_p, self.min_p, scales)

    def info(self) -> dict[str, Any]:
        """Return what `Clip.info` says about them, but for the seed."""
        about = {name: value for name, value in vars(self).items() if value is not None and name not in _NOT_IN_INFO}
        return about | {"cfg_scale": self.cfg_scale[0] if len(self.cfg_scale) == 1 else list(self.cfg_scale)}


_NOT_IN_INFO = ("num_samples", "best_of", "seed", "latent_overlap")
