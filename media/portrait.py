"""A portrait: whom a picture shows, alone, at one size and one place, wherever the picture has it.

In: a picture uint8 `[H, W, 3]`. Out: another, in which the subject fills the frame, or how much of each pixel it covers
where another frame has one. What makes clips of a subject then needs to know it in one pose alone.
"""

import numpy as np

from .outlines import away, background, silhouette
from .pixels import Frames

_MARGIN = 1 / 16  # of each side
_SAME = 1.15  # a subject is not scaled by less than so much: that would only blur it


def portrait(picture: Frames, height: int, width: int) -> Frames:
    """Return what differs from the background, scaled to fit height x width and centred.

    The background is the median colour along the border, and fills what is left. A picture that is all background, or
    none, is shown whole.
    """
    shown = picture[_extent(picture)]
    room = np.array([height, width]) * (1 - 2 * _MARGIN)
    scale = float((room / shown.shape[:2]).min())
    return _put(shown, scale, np.array([height, width]) / 2, _plain(picture, height, width))


def matte(picture: Frames, box: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return how much of each pixel whom a picture shows covers where another frame has a subject: float `[H, W, 1]`.

    That is how far a pixel is from the background, as a share of the farthest. No colour of the picture is in it.

    Args:
        picture: shows whom.
        box: top, left, bottom and right of the other subject, `[4]`. Their middles fall together, and their longer
            sides are about equal.
        height, width: of the frame, in pixels.
    """
    far = away(picture[None])[0]
    covers = np.round(far * (255 / max(1, int(far.max())))).astype(np.uint8)
    shown, box = covers[_extent(picture)], np.asarray(box)
    scale = float((box[2:] - box[:2]).max() / max(shown.shape[:2]))
    scale = 1.0 if 1 / _SAME < scale < _SAME else scale
    return _put(shown, scale, (box[:2] + box[2:]) / 2, np.zeros((height, width), np.uint8))[..., None] / 255


def _extent(picture: Frames) -> tuple[slice, slice]:
    """Return the rows and columns of what differs from the background; all of a picture that is all background."""
    rows, columns = (np.flatnonzero(silhouette(picture[None])[0, :, :, 0].any(axis=axis)) for axis in (1, 0))
    return (
        (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)) if len(rows) else (slice(None), slice(None))
    )


def _plain(picture: Frames, height: int, width: int) -> Frames:
    """Return a frame of nothing but the background of a picture."""
    return np.broadcast_to(background(picture[None]), (height, width, 3)).copy()


def _put(shown: np.ndarray, scale: float, middle: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Return a frame with a picture on it, scaled, and cut off at its border; `middle` of it is (y, x).

    Both are uint8 `[H, W, 3]`, or both `[H, W]`.
    """
    from PIL import Image

    size = np.maximum(1, np.round(np.array(shown.shape[:2]) * scale)).astype(int)
    scaled = np.asarray(Image.fromarray(shown).resize((size[1], size[0]), Image.Resampling.BICUBIC))
    first = np.floor(middle - size / 2).astype(int)
    begin, end = np.clip(first, 0, frame.shape[:2]), np.clip(first + size, 0, frame.shape[:2])
    inside = tuple(slice(*each) for each in zip(begin - first, end - first, strict=True))
    frame[begin[0] : end[0], begin[1] : end[1]] = scaled[inside]
    return frame
