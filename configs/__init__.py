"""Named presets, values only: `get("lm", "demo")` is the run that `reelm train lm demo` starts."""

import importlib
import pkgutil
from typing import Any

from reelm.tokenizer.request import RequestError

_FIELDS = {"video-tokenizer": "video_tokenizer", "lm": "lm"}


def names() -> tuple[str, ...]:
    """The presets there are."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def stages(name: str) -> tuple[str, ...]:
    """The stages that a preset has a run config of."""
    module = importlib.import_module(f"{__name__}.{name}")
    return tuple(stage for stage, field in _FIELDS.items() if hasattr(module, field))


def get(stage: str, name: str) -> Any:
    """The run config of a stage ("video-tokenizer" or "lm") in the preset `name`; RequestError when there is none."""
    if name not in names():
        raise RequestError(f"no config is named {name!r}; there are {', '.join(names())}")
    module = importlib.import_module(f"{__name__}.{name}")
    if not hasattr(module, _FIELDS[stage]):
        raise RequestError(f"config {name!r} has no {stage}")
    return getattr(module, _FIELDS[stage])
