"""How many codes a forward reads, and how far it looks back."""

import jax

from reelm.lm.specials import Group
from reelm.sampling.options import Decoding

# What was fastest of 1 to 16 with the shipped model on two CPU cores, where each code of a window costs time: sound is
# harder to guess. Elsewhere a forward over 64 codes reads the same weights as one over a single code.
_CPU_WINDOWS: dict[Group, int] = {"video": 12, "sound": 4}
_WINDOWS: dict[Group, int] = {"video": 64, "sound": 64}


def windows_for(decoding: Decoding, wanted: int | None = None) -> dict[Group, int]:
    """Codes of each group to read in one forward: 1 for "sequential", else `wanted`, or what suits the device."""
    if decoding == "sequential":
        wanted = 1
    usual = _CPU_WINDOWS if jax.default_backend() == "cpu" else _WINDOWS
    return {group: wanted or codes for group, codes in usual.items()}


def span_for(frame: int, most: int) -> int:
    """Latent frames of a window of `most` to attend to while its frame `frame` is made; each number is one program."""
    # On a CPU another program takes longer to compile than reading fewer slots saves.
    return most if jax.default_backend() == "cpu" else min(1 << frame.bit_length(), most)
