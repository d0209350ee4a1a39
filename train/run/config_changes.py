"""The differences between the config that a run began with and the one that it continues with.

In: two configs as JSON values, and the names of the fields that may change. Out: one line of text a difference. Each
config marks its own free fields: `steps: int = field(metadata=FREE)`.
"""

import dataclasses
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

FREE = {"free": True}
"""Metadata of a field that may change between the legs of a run: it does not change what is computed."""


def free_fields(config: Any, path: str = "") -> frozenset[str]:
    """Return the dotted names of the free fields of a config dataclass, such as `loop.steps` and `mesh`."""
    found: set[str] = set()
    for each in dataclasses.fields(config):
        inner = f"{path}.{each.name}" if path else each.name
        value = getattr(config, each.name)
        if each.metadata.get("free"):
            found.add(inner)
        elif dataclasses.is_dataclass(value):
            found |= free_fields(value, inner)
    return frozenset(found)


def differences(saved: Any, now: Any, free: Collection[str] = (), path: str = "") -> Iterator[str]:
    """Yield `model.layers: 6 -> 8` for every value that differs, except under the dotted names in `free`."""
    if path in free:
        return
    if isinstance(saved, Mapping) and isinstance(now, Mapping):
        for name in {**saved, **now}:
            inner = f"{path}.{name}" if path else name
            yield from differences(saved.get(name, _ABSENT), now.get(name, _ABSENT), free, inner)
    elif saved != now:
        yield f"{path}: {_shown(saved)} -> {_shown(now)}"


_ABSENT = object()


def _shown(value: Any) -> str:
    return "absent" if value is _ABSENT else json.dumps(value)
