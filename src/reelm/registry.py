"""The registry of the zoo: data sets, presets and evaluations of its models, by name. The library has no other link.

A model is a package of `reelm.zoo`. Its `__init__` has any of these dicts. Their values are names in the package, so
the registry is read without loading any other code of a model:

    DATA_SETS         data set -> "module:class", a `reelm.data.clips.BuildableSet`
    DATA_CARDS        data set -> `DataCard`, for model cards
    PRESETS           preset -> "module" that holds a run config for each stage under its key, as `lm = LMRun(...)`
    EVALUATIONS       task of `reelm evaluate generation` -> "module:function" of a model; see `evaluation.by_task`
    RECONSTRUCTIONS   data set -> "module:function" of a model that takes `clips`, `split` and `progress`: figures of
                      `reelm evaluate reconstruction` for a data set whose pictures are not the point
    GOALS             data set of a game -> "module:class", a `reelm.sampling.goals.Goals`
"""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, NamedTuple

Kind = Literal["DATA_SETS", "PRESETS", "EVALUATIONS", "RECONSTRUCTIONS", "GOALS"]


class Entry(NamedTuple):
    """An entry of the registry: the name of the model, and the dotted name of the object that it registers."""

    model: str
    place: str

    def load(self) -> Any:
        """Import the object."""
        return pkgutil.resolve_name(self.place)


class DataCard(NamedTuple):
    """A data set for model cards: what it shows, its licence, and a prompt in its words ("" for none)."""

    shows: str
    licence: str
    prompt: str = ""


def entries(kind: Kind) -> Mapping[str, Entry]:
    """Return the entries of a kind of all models, by name."""
    return {
        name: Entry(model, f"reelm.zoo.{model}.{place}")
        for model, registered in _registered(kind).items()
        for name, place in registered.items()
    }


def data_cards() -> Mapping[str, DataCard]:
    """Return the data sets of all models for model cards, by name."""
    return {name: card for registered in _registered("DATA_CARDS").values() for name, card in registered.items()}


@cache
def _registered(kind: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the dict of a kind of each model, by the name of the model."""
    folders = importlib.import_module("reelm.zoo").__path__
    models = sorted(each.name for each in pkgutil.iter_modules(folders) if each.ispkg)
    return {model: getattr(importlib.import_module(f"reelm.zoo.{model}"), kind, {}) for model in models}
