"""Named presets, values only: `get("lm", "demo")` is the run that `reelm train lm demo` starts.

Presets in this folder are for any data; those of shipped models are in the zoo, where `reelm.registry` finds them.
"""

import importlib
import pkgutil
import runpy
import traceback
from pathlib import Path
from typing import Any

from reelm.errors import RequestError
from reelm.registry import entries
from reelm.train.stages import STAGES, Stage

# Presets that share one module, in which their names are suffixes of the fields.
_TOGETHER = {
    "demo_sound_first": "demo_sound",
    "demo_stories": "demo_steered",
    "vidtok": "magvit2",
    "300m": "videopoet",
    "1b": "videopoet",
    "8b": "videopoet",
}

_NO_PRESET = {"videopoet"}
"""Modules that hold only such presets."""


def names() -> tuple[str, ...]:
    """Return the names of all presets."""
    alone = {module.name for module in pkgutil.iter_modules(__path__)} - _NO_PRESET
    return (*sorted({*alone, *entries("PRESETS")}), *_TOGETHER)


def stages(name: str) -> tuple[str, ...]:
    """Return the stages that the preset `name` can train; RequestError when there is no such preset."""
    if name not in names():
        raise RequestError(f"no config is named {name!r}; there are {', '.join(names())}")
    return tuple(stage.name for stage in STAGES.values() if _find(stage, name) is not None)


def get(stage: str, name: str) -> Any:
    """Return the run config of a stage, named as in `reelm.train.stages`; RequestError when there is none.

    name: a preset, or a Python file that defines the config under the stage's key, as `lm = LMRun(...)`.
    """
    if name.endswith(".py"):
        return _of_file(STAGES[stage], Path(name))
    if stage not in stages(name):
        having = [other for other in names() if stage in stages(other)]
        raise RequestError(f"config {name!r} has no {stage}; those that have one are {', '.join(having)}")
    return _find(STAGES[stage], name)


def _find(stage: Stage, name: str) -> Any:
    if name in entries("PRESETS"):
        return getattr(entries("PRESETS")[name].load(), stage.key, None)
    module = importlib.import_module(f"{__name__}.{_TOGETHER.get(name, name)}")
    return getattr(module, stage.key + (f"_{name}" if name in _TOGETHER else ""), None)


def _of_file(stage: Stage, path: Path) -> Any:
    wanted = f"{stage.key} = {stage.run_type.__name__}(...)"
    if not path.is_file():
        raise RequestError(f"there is no file {path}; it would define {wanted}")
    try:
        found = runpy.run_path(str(path)).get(stage.key)
    except RequestError as error:
        raise RequestError(f"{path}: {error}") from error
    except Exception as error:
        lines = [place.lineno for place in traceback.extract_tb(error.__traceback__) if place.filename == str(path)]
        line = getattr(error, "lineno", lines[-1] if lines else None)
        raise RequestError(f"{path}, line {line}: {type(error).__name__}: {error}") from error
    if not isinstance(found, stage.run_type):
        raise RequestError(f"{path} does not define {wanted}, which `reelm train {stage.name}` trains by")
    return found
