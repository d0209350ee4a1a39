"""Crop the subject of a picture and centre it at a fixed size.

In: a picture uint8 `[H, W, 3]`. Out: another, in which the subject fills the frame. So a net that draws the subject
needs to know it in only one pose.
"""

import numpy as np

from .outlines import background, silhouette
from .pixels import Frames

_MARGIN = 1 / 16  # of each side


def portrait(picture: Frames, height: int, width: int) -> Frames:
    """Return the subject, which is all that differs from the background, scaled to fit height x width and centred.

    The background is the median colour along the border, and fills the rest. A picture of only background, or without
    any, is shown whole.
    """
    from PIL import Image

    shown, room = picture[_extent(picture)], np.array([height, width])
    scale = float((room * (1 - 2 * _MARGIN) / shown.shape[:2]).min())
    size = np.maximum(1, np.round(np.array(shown.shape[:2]) * scale)).astype(int)
    top, left = (room - size) // 2
    frame = np.broadcast_to(background(picture[None]), (height, width, 3)).copy()
    scaled = Image.fromarray(shown).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    frame[top : top + size[0], left : left + size[1]] = np.asarray(scaled)
    return frame


def _extent(picture: Frames) -> tuple[slice, slice]:
    """Return the rows and columns of the subject; all of them for a picture of only background."""
    rows, columns = (np.flatnonzero(silhouette(picture[None])[0, :, :, 0].any(axis=axis)) for axis in (1, 0))
    return (
        (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)) if len(rows) else (slice(None), slice(None))
    )
