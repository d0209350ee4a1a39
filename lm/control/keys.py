"""Keys of a world in the control field: whether they are known, then a channel per key, the same at all positions."""

from collections.abc import Sequence

import numpy as np

from reelm.errors import RequestError


def keys_field(keys: np.ndarray, told: np.ndarray) -> np.ndarray:
    """Return the part of keys float32 `[t, 1, 1, 1 + K]` in the control field of latent frames.

    Args:
        keys: bool `[t, K]`, whether each key is pressed.
        told: bool `[t]`, whether the keys are known.
    """
    field = np.concatenate([told[:, None], keys & told[:, None]], axis=1)
    return field[:, None, None].astype(np.float32)


def held(names: Sequence[str], at_once: int, keys: Sequence[str]) -> np.ndarray:
    """Return bool `[K]`: which of the keys with these names are pressed.

    Args:
        names: of the K keys of a world.
        at_once: most keys that may be pressed together.
        keys: names of the pressed keys.

    Raises:
        RequestError: a key does not exist, or too many are pressed.
    """
    if isinstance(keys, str) or not all(isinstance(key, str) for key in keys):
        raise RequestError(f"keys are a list of names, such as [{names[0]!r}], not {keys!r}")
    if unknown := [key for key in keys if key not in names]:
        raise RequestError(f"this world has no key {unknown[0][:40]!r}; its keys are {', '.join(names)}")
    if len(set(keys)) > at_once:
        shown = ", ".join(sorted(set(keys))[:4])
        raise RequestError(f"this world takes {at_once} key{'s' * (at_once > 1)} at a time, not {shown}")
    return np.isin(np.array(names), np.array(list(keys), dtype=str))
