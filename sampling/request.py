"""What is to be made: the types of a planned request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reelm.sampling.conditions.conditions import Conditions

from .settings import Settings

Prompt = str | Sequence[tuple[float, str]]  # words, or (seconds, words) pairs


@dataclass(frozen=True)
class Shot:
    """A stretch of a clip with words of its own.

    Attributes:
        begins: latent frame that it begins with.
        words: as the language model reads them.
    """

    begins: int
    words: str


Script = Sequence[Shot]  # in order, the first from latent frame 0


@dataclass(frozen=True, eq=False)
class Request:
    """A clip of each prompt with each seed, prompt by prompt.

    Attributes:
        many: whether the user gets a list: prompts came as a list, or several samples were asked for.
        prompts: as they were given, for `Clip.info`.
        scripts: the shots of each prompt.
        seeds: one or more, `best_of` for each clip that is returned; a clip does not depend on the other seeds.
        settings: options with the model's defaults filled in.
        given: what every clip must show.
        sources: what `Clip.info` says about the pictures, clips and sounds that are given.
        described: the prompt that the model's describer found; None when it was not asked.
    """

    many: bool
    prompts: Sequence[Prompt]
    scripts: Sequence[Script]
    seeds: Sequence[int]
    settings: Settings
    given: Conditions
    sources: Mapping[str, Any]
    described: str | None


def words_at(script: Script, now: int) -> str:
    """Return the words of latent frame `now`."""
    return [shot.words for shot in script if shot.begins <= now][-1]
