"""Named presets, values only: `get("lm", "demo")` is the run that `reelm train lm demo` starts."""

import importlib
import pkgutil
from typing import Any

from reelm.tokenizer.request import RequestError

_FIELDS = {"video-tokenizer": "video_tokenizer", "audio-tokenizer": "audio_tokenizer", "lm": "lm"}


def names() -> tuple[str, ...]:
    """The presets there are."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def stages(name: str) -> tuple[str, ...]:
    """What can be trained by the preset `name`; RequestError when there is no such preset."""
    if name not in names():
        raise RequestError(f"no config is named {name!r}; there are {', '.join(names())}")
    module = importlib.import_module(f"{__name__}.{name}")
    return tuple(stage for stage, value in _FIELDS.items() if hasattr(module, value))


def get(stage: str, name: str) -> Any:
    """The run config of a stage ("video-tokenizer", "audio-tokenizer" or "lm") in the preset `name`.

    RequestError when there is none.
    """
    if stage not in stages(name):
        having = [other for other in names() if stage in stages(other)]
        raise RequestError(f"config {name!r} has no {stage}; those that have one are {', '.join(having)}")
    return getattr(importlib.import_module(f"{__name__}.{name}"), _FIELDS[stage])
