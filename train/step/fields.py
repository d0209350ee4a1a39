"""Types and checks of the fields of training configs. A check raises RequestError with the name and the value."""

import math
from typing import Any, Literal

from reelm.errors import RequestError

Activations = Literal["float32", "bfloat16"]
"""Number format of activations in training."""


def check_least(config: Any, least: float, *names: str) -> None:
    """Check that these fields are finite, and `least` or more; None is left alone."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not least <= value < math.inf:
            wanted = "finite" if value == math.inf else f"at least {least}"
            raise RequestError(f"{name} must be {wanted}, not {value}")


def check_above(config: Any, limit: float, *names: str) -> None:
    """Check that these fields are finite, and above `limit`."""
    for name in names:
        value = getattr(config, name)
        if not limit < value < math.inf:
            raise RequestError(f"{name} must be {'finite' if value == math.inf else f'above {limit}'}, not {value}")


def check_shares(config: Any, *names: str) -> None:
    """Check that these fields lie in 0 to 1; None is left alone."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not 0 <= value <= 1:
            raise RequestError(f"{name} must lie in 0 to 1, not {value}")


def check_mesh_of_copies(config: Any) -> None:
    """Check that the field `mesh` has no axis along which language models alone are cut."""
    for axis in ("tensor", "sequence"):
        if getattr(config.mesh, axis) != 1:
            raise RequestError(f"mesh {axis} cuts language models alone, here it must be 1; use data and fsdp")


def check_choice(config: Any, name: str, choices: tuple[str, ...]) -> None:
    """Check that a field is one of `choices`."""
    if getattr(config, name) not in choices:
        raise RequestError(f"{name} must be one of {', '.join(choices)}, not {getattr(config, name)!r}")
