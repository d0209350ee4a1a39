"""The control field: inputs that steer the pictures, besides words, and that are known before the codes.

It is added to the inputs of the slots that predict the codes (`lm/net/embed.py`), so it takes no extra slots. Each
control input has channels in it, and the first channels say whether the input is given. Zeros mean no control.

    keys       pressed keys, the same at all positions                keys.py
    tracks     position of each subject                               tracks.py
    structure  codes of a clip that shows outlines                    structure.py
    camera     motion of the camera, the same at all positions        camera.py
    motion     amount of motion, the same at all positions            motion.py
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .sources import SPATIAL, Source


def control_field(
    channels: Mapping[Source, int], parts: Mapping[Source, np.ndarray], frames: int, grid: Sequence[int]
) -> np.ndarray:
    """Return the control field float32 `[t, h, w, C]` of latent frames; h and w are 1 if no source is spatial.

    Args:
        channels: of each source that a net knows, in their order in the field (`LMConfig.channels`).
        parts: float32 `[t, h or 1, w or 1, c]` of the given sources; all others are zero.
        frames: t latent frames.
        grid: rows and columns (h, w) of a latent frame.
    """
    size = (frames, *(grid if any(source in SPATIAL for source in channels) else (1, 1)))
    found = [np.zeros((*size, 0), np.float32)]
    for source, count in channels.items():
        found.append(np.broadcast_to(parts.get(source, np.float32(0)), (*size, count)))
    return np.concatenate(found, axis=-1, dtype=np.float32)


def last_goes_on(part: np.ndarray, length: int) -> np.ndarray:
    """Return the first `length` latent frames of a part `[t, ...]`; the last one is repeated after its end."""
    return part[np.minimum(np.arange(length), len(part) - 1)]


def of_source(channels: Mapping[Source, int], source: Source, field: Any) -> Any:
    """Return the channels `[..., c]` of one source in a control field `[..., C]`."""
    first = sum(count for each, count in list(channels.items())[: list(channels).index(source)])
    return field[..., first : first + channels[source]]
