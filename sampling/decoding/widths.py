"""How many codes a forward pass reads, and how many latent frames it attends to."""

import jax

from reelm.lm.specials import Group
from reelm.sampling.options import Decoding

# The fastest of 1 to 16 with the shipped model on two CPU cores, where each code costs time. Sound is harder
# to guess. On other devices a forward pass over 64 codes reads the same weights as one over a single code.
_CPU_WINDOWS: dict[Group, int] = {"video": 12, "sound": 4}
_WINDOWS: dict[Group, int] = {"video": 64, "sound": 64}


def windows_for(decoding: Decoding, wanted: int | None = None) -> dict[Group, int]:
    """Return the codes of each group to read in one forward pass.

    These are 1 for "sequential", else `wanted`; or what suits the device where `wanted` is None.
    """
    if decoding == "sequential":
        wanted = 1
    usual = _CPU_WINDOWS if jax.default_backend() == "cpu" else _WINDOWS
    return {group: wanted or codes for group, codes in usual.items()}


def span_for(frame: int, most: int) -> int:
    """Return the latent frames to attend to while latent frame `frame` is drawn, in a window of `most`.

    Each number that is returned compiles a program of its own.
    """
    # On a CPU compiling another program takes longer than reading fewer slots saves.
    return most if jax.default_backend() == "cpu" else min(1 << frame.bit_length(), most)
