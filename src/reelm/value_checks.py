"""Check values from Python callers, and return the types that the rest relies on: numbers, paths, arrays, fields.

In: a value, and its name for messages. Out: Python's own number, a path, a NumPy array; or a RequestError that says
what the value is and what would be right. Numbers of NumPy and JAX are numbers. Text is never a number. Imports nothing
slow: the command line checks its options before NumPy is loaded.
"""

import math
import operator
import os
import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from .errors import RequestError, reason

if TYPE_CHECKING:
    import numpy as np

_MOST_LAYERS, _MOST_CHANNELS = 1000, 1 << 22
_LONGEST_NAME, _LONGEST_PATH = 255, 4095  # bytes, on Linux; other systems have similar limits


def whole(name: str, value: Any, *, least: int | None = None) -> int:
    """Return a whole number as Python's; RequestError for anything else, or for one below `least`."""
    try:
        number = operator.index(value)
    except TypeError:
        raise RequestError(f"{name} is {_short(value)}; it must be a whole number") from None
    if least is not None:
        within(name, number, least)
    return number


def within(name: str, value: float, least: float, most: float | None = None) -> None:
    """Check that a number lies between `least` and `most`, both included; RequestError if not, and for NaN."""
    if most is None and not value >= least:
        raise RequestError(f"{name} is {value}; it must be {_plain(least)} or more")
    if most is not None and not least <= value <= most:
        raise RequestError(f"{name} is {_short(value)}; it must lie between {_plain(least)} and {_plain(most)}")


def rising(of: str, seconds: Sequence[float]) -> None:
    """Check that seconds are finite, 0 or more, and rising; RequestError if not."""
    known = all(math.isfinite(at) and at >= 0 for at in seconds)
    if not known or any(later <= at for at, later in pairwise(seconds)):
        shown = ", ".join(f"{at:g}" for at in seconds[:8])
        raise RequestError(f"the seconds of {of} must be 0 or more and rise, not {shown}")


def layers(name: str, value: int, *, least: int = 0) -> None:
    """Check a number of layers; RequestError for one that no net has, because building takes time for each layer."""
    within(name, value, least, _MOST_LAYERS)


def channels(name: str, values: Iterable[int]) -> None:
    """Check widths of layers; RequestError for one that no net has, whose number of weights might exceed 64 bits."""
    for value in values:
        within(name, value, 1, _MOST_CHANNELS)


def real(name: str, value: Any) -> float:
    """Return a number as Python's, an int as an int; RequestError for anything else. It may be NaN or infinite."""
    if isinstance(value, int | float):
        return value
    try:
        if isinstance(value, str | bytes) or getattr(value, "ndim", 0):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise RequestError(f"{name} is {_short(value)}; it must be a number") from None


def check_least(config: Any, least: float, *names: str) -> None:
    """Check that these fields of a config are finite, and `least` or more; None is not checked."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not least <= value < math.inf:
            wanted = "finite" if value == math.inf else f"at least {least}"
            raise RequestError(f"{name} must be {wanted}, not {value}")


def check_above(config: Any, limit: float, *names: str) -> None:
    """Check that these fields of a config are finite, and above `limit`."""
    for name in names:
        value = getattr(config, name)
        if not limit < value < math.inf:
            raise RequestError(f"{name} must be {'finite' if value == math.inf else f'above {limit}'}, not {value}")


def check_shares(config: Any, *names: str) -> None:
    """Check that these fields lie in 0 to 1; None is not checked."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not 0 <= value <= 1:
            raise RequestError(f"{name} must lie in 0 to 1, not {value}")


def check_choice(config: Any, name: str, choices: tuple[str, ...]) -> None:
    """Check that a field is one of `choices`."""
    if getattr(config, name) not in choices:
        raise RequestError(f"{name} must be one of {', '.join(choices)}, not {getattr(config, name)!r}")


def path(name: str, value: Any) -> str:
    """Return a path as text; RequestError for anything else, bytes included, and for a name that is too long."""
    if isinstance(value, str | os.PathLike):
        text = os.fspath(value)
        if isinstance(text, str):
            if len(text) > _LONGEST_PATH or max(map(len, text.encode(errors="replace").split(b"/"))) > _LONGEST_NAME:
                raise RequestError(f"{name} is {text[:40]!r}..., which is too long; choose another name")
            return text
    raise RequestError(f"{name} is {_short(value)}; it must be a path")


def array(name: str, value: Any) -> "np.ndarray":
    """Return an array of numbers or booleans; RequestError for anything else, such as lists of several lengths."""
    import numpy as np

    untraced(name, value)
    try:
        found = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise RequestError(f"{name} is not an array of numbers ({reason(error)})") from error
    if found.dtype.name == "bfloat16":  # NumPy itself does not know it
        found = found.astype(np.float32)
    if found.dtype.kind not in "buif":
        what = found.dtype if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
        raise RequestError(f"{name} is {what}; it must be an array of numbers")
    return found


def untraced(name: str, *values: Any) -> None:
    """Check that `jit`, `grad` and other transformations of JAX do not trace the values; RequestError if they do."""
    jax = sys.modules.get("jax")  # before it is loaded, nothing is traced
    if jax is not None and any(isinstance(value, jax.core.Tracer) for value in values):
        raise RequestError(
            f"{name} is traced by JAX (jit, grad, vmap), but this method computes in NumPy; "
            "use the functions of reelm.functional"
        )


def _plain(bound: float) -> str:
    return f"{bound:.0f}" if bound % 1 == 0 else f"{bound}"


def _short(value: Any) -> str:
    text = " ".join((str(value) if isinstance(value, float) else repr(value)).split())  # NumPy's repr names its type
    return text if len(text) <= 80 else f"{text[:77]}..."
