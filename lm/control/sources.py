"""The sources of the control field by name, and the fields of an `LMConfig` that enable them.

It imports nothing slow, because the command line reads it before NumPy is loaded.
"""

from collections.abc import Mapping
from typing import Literal

Source = Literal["keys", "tracks", "structure", "camera", "motion"]

# Fields of an `LMConfig` that belong to a source. A net whose config leaves the first empty does not know the source.
SWITCHES: Mapping[Source, tuple[str, ...]] = {
    "keys": ("keys", "keys_at_once"),
    "tracks": ("tracks",),
    "structure": ("structures",),
    "camera": ("camera",),
    "motion": ("motion",),
}
# Sources whose values differ between positions.
SPATIAL: tuple[Source, ...] = ("tracks", "structure")
