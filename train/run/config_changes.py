"""List the differences between the config that a run started with and the one that it continues with.

In: two configs as JSON values, and the names of the fields that may change. Out: one line of text a difference. Each
config marks its own free fields: `steps: int = field(metadata=FREE)`.
"""

import dataclasses
import json
from collections.abc import Collection, Iterator, Mapping
from itertools import zip_longest
from typing import Any

FREE = {"free": True}
"""Metadata of a field that may change when a run is resumed, because it does not change the result."""


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
    """Yield `model.layers: 6 -> 8` for every value that differs, except under the dotted names in `free`.

    The objects of a list are compared one by one, as `token_sets[0].fps: 8 -> 12`. Long values are cut short.
    """
    if path in free:
        return
    if isinstance(saved, Mapping) and isinstance(now, Mapping):
        for name in {**saved, **now}:
            inner = f"{path}.{name}" if path else name
            yield from differences(saved.get(name, _ABSENT), now.get(name, _ABSENT), free, inner)
    elif isinstance(saved, list) and isinstance(now, list) and any(isinstance(each, Mapping) for each in saved + now):
        for number, pair in enumerate(zip_longest(saved, now, fillvalue=_ABSENT)):
            yield from differences(*pair, free, f"{path}[{number}]")
    elif saved != now:
        yield f"{path}: {_shown(saved)} -> {_shown(now)}"


_ABSENT = object()
_LONGEST = 100  # letters of a value that are shown


def _shown(value: Any) -> str:
    text = "absent" if value is _ABSENT else json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
