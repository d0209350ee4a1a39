"""Named presets, values only: `get("lm", "demo")` is the run that `reelm train lm demo` starts."""

import importlib
import pkgutil
from typing import Any

from reelm.errors import RequestError
from reelm.train.stages import STAGES, Stage

# Presets that stand together in one module, where their names are added to those of the fields.
_TOGETHER = {"300m": "videopoet", "1b": "videopoet", "8b": "videopoet"}


def names() -> tuple[str, ...]:
    """The presets there are."""
    alone = {module.name for module in pkgutil.iter_modules(__path__)} - set(_TOGETHER.values())
    return (*sorted(alone), *_TOGETHER)


def stages(name: str) -> tuple[str, ...]:
    """What can be trained by the preset `name`; RequestError when there is no such preset."""
    if name not in names():
        raise RequestError(f"no config is named {name!r}; there are {', '.join(names())}")
    return tuple(stage.name for stage in STAGES.values() if _find(stage, name) is not None)


def get(stage: str, name: str) -> Any:
    """The run config of a stage, named as in `reelm.train.stages`, in the preset `name`; RequestError for none."""
    if stage not in stages(name):
        having = [other for other in names() if stage in stages(other)]
        raise RequestError(f"config {name!r} has no {stage}; those that have one are {', '.join(having)}")
    return _find(STAGES[stage], name)


def _find(stage: Stage, name: str) -> Any:
    module = importlib.import_module(f"{__name__}.{_TOGETHER.get(name, name)}")
    return getattr(module, stage.key + (f"_{name}" if name in _TOGETHER else ""), None)
