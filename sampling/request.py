"""From the arguments of `Model.generate` to a checked request, with the model's defaults filled in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reelm.sampling.conditions.conditions import Conditions

from .settings import Settings

Script = Sequence[tuple[int, str]]  # (latent frame from which on, words), in order, the first from 0
Prompt = str | Sequence[tuple[float, str]]  # words, or (seconds, words) pairs


@dataclass(frozen=True, eq=False)
class Request:
    """What is to be made: a clip of each prompt with each seed, prompt by prompt.

    Attributes:
        many: whether several clips were asked for, by a list of strings or by samples: they come back as a list.
        prompts: as they were given, for `Clip.info`.
        scripts: the words of each as the model reads them, by the latent frame they begin with.
        seeds: one or more; the clip of a seed does not depend on the others.
        best_of: of so many seeds in a row one clip is chosen.
        settings: everything else that decides a clip.
        given: what every clip must show.
        about: what `Clip.info` says in other words than `settings`: the conditions, and the overlap in seconds.
    """

    many: bool
    prompts: Sequence[Prompt]
    scripts: Sequence[Script]
    seeds: Sequence[int]
    best_of: int
    settings: Settings
    given: Conditions
    about: Mapping[str, Any]


def words_at(script: Script, now: int) -> str:
    """The words of latent frame `now`."""
    return [words for begins, words in script if begins <= now][-1]
