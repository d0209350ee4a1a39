"""The motion score in the control field: whether it is known, and its value."""

import numpy as np

CHANNELS = 2


def motion_field(motion: float, frames: int) -> np.ndarray:
    """Return the part of motion float32 `[t, 1, 1, 2]` in the control field.

    motion: fraction of the training clips with less motion, 0 to 1.
    """
    return np.tile(np.array([1.0, 2 * motion - 1], np.float32), (frames, 1, 1, 1))
