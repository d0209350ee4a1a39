"""A portrait: whom a picture shows, alone, at one size and one place, wherever the picture has it.

In: a picture uint8 `[H, W, 3]`. Out: another, in which the subject fills the frame. What makes clips of a subject then
needs to know it in one pose alone.
"""

import numpy as np

from .outlines import background, silhouette
from .pixels import Frames

_MARGIN = 1 / 16  # of each side


def portrait(picture: Frames, height: int, width: int) -> Frames:
    """Return what differs from the background, scaled to fit height x width and centred.

    The background is the median colour along the border, and fills what is left. A picture that is all background, or
    none, is shown whole.
    """
    from PIL import Image

    rows, columns = (np.flatnonzero(silhouette(picture[None])[0, :, :, 0].any(axis=axis)) for axis in (1, 0))
    shown = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else picture
    room = np.array([height, width]) * (1 - 2 * _MARGIN)
    size = np.maximum(1, np.round(np.array(shown.shape[:2]) * (room / shown.shape[:2]).min())).astype(int)
    scaled = np.asarray(Image.fromarray(shown).resize((size[1], size[0]), Image.Resampling.BICUBIC))
    made = np.empty((height, width, 3), np.uint8)
    made[:] = background(picture[None])
    top, left = (np.array([height, width]) - size) // 2
    made[top : top + size[0], left : left + size[1]] = scaled
    return made
