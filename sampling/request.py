"""What is to be made: the types of a planned request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reelm.sampling.conditions.conditions import Conditions
from reelm.sampling.decoding.window_plan import StreamPlan

from .options import Options
from .parts import ModelParts

Prompt = str | Sequence[tuple[float, str]]  # words, or (seconds, words) pairs


@dataclass(frozen=True)
class Stretch:
    """A stretch of a clip with words of its own.

    Attributes:
        begins: latent frame that it begins with.
        words: as the language model reads them.
        cut: whether it begins with a cut.
        shot: place of its shot in the storyboard, from 0; None without a storyboard.
    """

    begins: int
    words: str
    cut: bool = False
    shot: int | None = None


Script = Sequence[Stretch]  # in order, the first from latent frame 0


@dataclass(frozen=True, kw_only=True)
class Settings(Options):
    """The options of a request with the model's defaults filled in. `num_frames` None is an endless clip.

    Attributes:
        min_p: of latent frame 0, 1, ...; the last one goes on.
        cfg_scale: guidance scale, likewise.
        latent_overlap: `overlap` in latent frames.
    """

    height: int = field()
    width: int = field()
    fps: float = field()
    min_p: tuple[float, ...] = field()
    cfg_scale: tuple[float, ...] = field()
    cfg_min_p: float = field()
    overlap: float = field()
    latent_overlap: int

    @property
    def guided(self) -> bool:
        """Whether guidance changes any latent frame."""
        return any(scale != 1 for scale in self.cfg_scale)

    @property
    def shown(self) -> tuple[int, int]:
        """Height and width of the frames that come back, in pixels."""
        scale = self.upscale or 1
        return self.height * scale, self.width * scale

    def info(self) -> dict[str, Any]:
        """Return what `Clip.info` says about them, but for the seed."""
        about = {name: value for name, value in vars(self).items() if value is not None and name not in _NOT_IN_INFO}
        schedules = {"min_p": self.min_p, "cfg_scale": self.cfg_scale}
        return about | {name: each[0] if len(each) == 1 else list(each) for name, each in schedules.items()}


_NOT_IN_INFO = ("num_samples", "best_of", "seed", "strict", "latent_overlap")


@dataclass(frozen=True, eq=False)
class Request:
    """A clip of each prompt with each seed, prompt by prompt.

    Attributes:
        model: what draws them: the model that is asked, with the language model that was trained for this.
        many: whether the user gets a list: prompts came as a list, or several samples were asked for.
        prompts: as they were given, for `Clip.info`.
        scripts: the stretches of each prompt.
        seeds: one or more, `best_of` for each clip that is returned; a clip does not depend on the other seeds.
        settings: options with the model's defaults filled in.
        conditions: what every clip must show.
        stream: what decoding draws the clips from.
        sources: what `Clip.info` says about the pictures, clips and sounds that are given.
        described: the prompt that the model's describer found; None when it was not asked.
        warnings: for each prompt what of it the training never saw, in sentences.
    """

    model: ModelParts
    many: bool
    prompts: Sequence[Prompt]
    scripts: Sequence[Script]
    seeds: Sequence[int]
    settings: Settings
    conditions: Conditions
    stream: StreamPlan
    sources: Mapping[str, Any]
    described: str | None
    warnings: Sequence[Sequence[str]]


def words_at(script: Script, now: int) -> str:
    """Return the words of latent frame `now`."""
    return [stretch.words for stretch in script if stretch.begins <= now][-1]
