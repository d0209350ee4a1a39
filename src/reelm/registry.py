"""Finds what the models of the zoo bring, by name: data sets, presets, evaluations. The library knows no other way.

A model is a package of `reelm.zoo`. Its `__init__` has any of these dicts. Places are names in the package, so what a
model brings is known before any code of it is loaded:

    DATA_SETS         data set -> "module:class", a `reelm.data.clips.BuildableSet`
    DATA_CARDS        data set -> `DataCard`, what model cards say of it
    PRESETS           preset -> "module" that holds a run config for each stage under its key, as `lm = LMRun(...)`
    EVALUATIONS       task of `reelm evaluate generation` -> "module:function" of a model; see `evaluation.by_task`
    RECONSTRUCTIONS   data set -> "module:function" of a model that takes `clips`, `split` and `progress`: figures of
                      `reelm evaluate reconstruction` for a data set whose pictures are not the point
"""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, NamedTuple

Kind = Literal["DATA_SETS", "PRESETS", "EVALUATIONS", "RECONSTRUCTIONS"]


class Entry(NamedTuple):
    """One thing that a model brings: the name of the model, and the dotted place of the thing."""

    model: str
    place: str

    def load(self) -> Any:
        """Import the thing."""
        return pkgutil.resolve_name(self.place)


class DataCard(NamedTuple):
    """What model cards say of a data set: what it shows, its licence, and a prompt in its words ("" for none)."""

    shows: str
    licence: str
    prompt: str = ""


def entries(kind: Kind) -> Mapping[str, Entry]:
    """Return all that the models bring of a kind, by name."""
    return {
        name: Entry(model, f"reelm.zoo.{model}.{place}")
        for model, brought in _brought(kind).items()
        for name, place in brought.items()
    }


def data_cards() -> Mapping[str, DataCard]:
    """Return what model cards say of data sets, by name."""
    return {name: card for brought in _brought("DATA_CARDS").values() for name, card in brought.items()}


@cache
def _brought(kind: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the dict of a kind of each model, by the name of the model."""
    folders = importlib.import_module("reelm.zoo").__path__
    models = sorted(each.name for each in pkgutil.iter_modules(folders) if each.ispkg)
    return {model: getattr(importlib.import_module(f"reelm.zoo.{model}"), kind, {}) for model in models}
