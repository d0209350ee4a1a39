"""A planned request: three values of arrays and plain data, and the model that they were made for.

    Inputs       what the user gives, decoded and tokenized once        planning/inputs.py
    Choice       which language model draws it, and its settings        planning/choice.py
    StreamPlan   how the context windows of each shot begin             planning/stream_plan.py

The values hold no model and no function, so another thread or machine can make or store them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reelm.lm.language_model import LanguageModel
from reelm.sampling.conditions.conditions import Conditions
from reelm.sampling.decoding.window_plan import StreamPlan
from reelm.sampling.decoding.windows import Drawer

from .finish_sound import SoundFormat, sound_format
from .options import Options
from .parts import ModelParts

Prompt = str | Sequence[tuple[float, str]]  # words, or (seconds, words) pairs


@dataclass(frozen=True)
class Stretch:
    """A part of a clip with its own words.

    Attributes:
        begins: latent frame that it begins with.
        words: as the language model reads them.
        cut: whether it begins with a cut.
        shot: index of its shot in the storyboard; None without a storyboard.
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
        min_p: of latent frame 0, 1, ...; the last one repeats.
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
        """Return the settings for `Clip.info`, without the seed."""
        about = {name: value for name, value in vars(self).items() if value is not None and name not in _NOT_IN_INFO}
        schedules = {"min_p": self.min_p, "cfg_scale": self.cfg_scale}
        return about | {name: each[0] if len(each) == 1 else list(each) for name, each in schedules.items()}


_NOT_IN_INFO = ("num_samples", "best_of", "seed", "strict", "latent_overlap")


@dataclass(frozen=True, eq=False)
class Inputs:
    """The inputs of a request, decoded and tokenized once.

    Attributes:
        many: whether the user gets a list: prompts came as a list, or `num_samples` is above 1.
        prompts: as the user wrote them, for `Clip.info`.
        scripts: the stretches of each prompt. A prompt without words has the words that the describer found.
        described: the words that the describer found; None if it was not asked.
        has_words: whether any prompt has words of its own.
        negative: words that guidance leads away from, as the language model reads them.
        options: those of the user, with the model's size and frame rate, and the length of a storyboard.
        conditions: of every clip.
        shots: conditions of each shot of a storyboard; none without one.
        notes: sentences about what is done differently than asked, or may be.
        summary: the part of `Clip.info` about the given pictures, clips and sounds.
    """

    many: bool
    prompts: Sequence[Prompt]
    scripts: Sequence[Script]
    described: str | None
    has_words: bool
    negative: str
    options: Options
    conditions: Conditions
    shots: Sequence[Conditions]
    notes: Sequence[str]
    summary: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Choice:
    """How a request is drawn.

    Attributes:
        lm: index of the language model in `ModelParts.language_models`.
        opened_by: index of the one that draws the first latent frame, if that is another; else None.
        seeds: one or more, `best_of` for each clip that is returned; a clip does not depend on the other seeds.
        settings: options with the model's defaults filled in.
        warnings: for each prompt, sentences about what the training never saw.
    """

    lm: int
    opened_by: int | None
    seeds: Sequence[int]
    settings: Settings
    warnings: Sequence[Sequence[str]]


@dataclass(frozen=True, eq=False)
class Request:
    """A planned request for a clip of each prompt with each seed, prompt by prompt."""

    model: ModelParts
    inputs: Inputs
    choice: Choice
    stream: StreamPlan

    @property
    def lm(self) -> LanguageModel:
        """The language model that draws it."""
        return self.model.language_models[self.choice.lm]

    @property
    def sound(self) -> SoundFormat:
        """The format of the sound of its clips."""
        return sound_format(self.model.soundtrack, self.inputs.conditions.given_sound)

    @property
    def drawer(self) -> Drawer:
        """The language models that draw it."""
        opened_by = None if self.choice.opened_by is None else self.model.language_models[self.choice.opened_by]
        return Drawer(self.lm, opened_by)


def has_words(script: Script) -> bool:
    """Return whether any stretch of a script has words."""
    return any(stretch.words.strip() for stretch in script)


def words_at(script: Script, now: int) -> str:
    """Return the words of latent frame `now`."""
    return [stretch.words for stretch in script if stretch.begins <= now][-1]
