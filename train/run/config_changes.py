"""What differs between the config a run began with and the one it is to go on with.

In: two configs as JSON-able values. Out: one line of text a difference. Knows nothing of what the fields mean, except
that those of a `LoopConfig` which set how long a run lasts and how often it reports, and the devices of a `MeshSpec`,
may change between its legs.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

DURATION_FIELDS = frozenset(
    (
        "steps",
        "log_every",
        "save_every",
        "keep",
        "best",
        "evaluate_every",
        "sample_every",
        "profile",
        "tensorboard",
        "max_seconds",
        "max_skipped",
        "accept_config",
        "dry_run",
    )
)


def differences(saved: Any, now: Any, path: str = "") -> Iterator[str]:
    """Yields `lm.depth: 6 -> 8` for every value that differs, fields of duration apart.

    Those are free only where they stand together, as in a `LoopConfig`: the `steps` of a learning-rate schedule changes
    what is computed, and counts.
    """
    if isinstance(saved, Mapping) and isinstance(now, Mapping):
        free = DURATION_FIELDS if {"steps", "save_every"} <= {**saved, **now}.keys() else frozenset()
        for name in {**saved, **now}:
            value = now.get(name, saved.get(name))
            # What runs where does not change what is computed: a run may go on on other devices.
            is_mesh = isinstance(value, Mapping) and _MESH_AXES <= value.keys()
            if name not in free and not is_mesh:
                inner = f"{path}.{name}" if path else name
                yield from differences(saved.get(name, _ABSENT), now.get(name, _ABSENT), inner)
    elif saved != now:
        yield f"{path}: {_show(saved)} -> {_show(now)}"


_MESH_AXES = frozenset(("data", "fsdp"))
_ABSENT = object()


def _show(value: Any) -> str:
    return "absent" if value is _ABSENT else json.dumps(value)
