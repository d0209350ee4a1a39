"""A portrait: whom a picture shows, alone, at one size and one place, wherever the picture has it.

In: a picture uint8 `[H, W, 3]`. Out: another, in which the subject fills the frame, or is where another frame has one.
What makes clips of a subject then needs to know it in one pose alone, or in the very one that it draws.
"""

import numpy as np

from .outlines import away, background, silhouette
from .pixels import Frames

_MARGIN = 1 / 16  # of each side
_SMALL = 1 / 8  # of the largest subject's pixels; what is smaller is no subject
_FAINT = 0.35  # of the most that a subject differs from the background; measured: a rebuilt digit is then no larger


def portrait(picture: Frames, height: int, width: int) -> Frames:
    """Return what differs from the background, scaled to fit height x width and centred.

    The background is the median colour along the border, and fills what is left. A picture that is all background, or
    none, is shown whole.
    """
    shown = picture[_extent(picture)]
    room = np.array([height, width]) * (1 - 2 * _MARGIN)
    scale = float((room / shown.shape[:2]).min())
    return _put(shown, scale, np.array([height, width]) / 2, _plain(picture, height, width))[0]


def placed(picture: Frames, box: np.ndarray, height: int, width: int) -> tuple[Frames, np.ndarray]:
    """Return the matte of whom a picture shows, where another frame has a subject, in a frame of height x width.

    That is how far each pixel is from the background, white on black. No colour of the picture is in it, so words may
    ask for others.

    Args:
        picture: shows whom.
        box: top, left, bottom and right of the other subject, `[4]`. Their middles fall together, and their longer
            sides are equal.
        height, width: of the frame, in pixels.

    Returns:
        The frame, and the pixels bool `[H, W]` of the subject's box.
    """
    shown, box = _matte(picture)[_extent(picture)], np.asarray(box)
    scale = float((box[2:] - box[:2]).max() / max(shown.shape[:2]))
    return _put(shown, scale, (box[:2] + box[2:]) / 2, np.zeros((height, width, 3), np.uint8))


def subjects(frame: Frames) -> np.ndarray:
    """Return the boxes int `[n, 4]` of what stands apart on the background: top, left, bottom, right; largest first.

    What is faint beside the rest of a subject holds it together, but is no part of its box: a decoder blurs borders.
    """
    from scipy import ndimage

    far = away(frame[None])[0]
    labels: np.ndarray = np.empty(far.shape, np.int32)
    ndimage.label(silhouette(frame[None])[0, :, :, 0], structure=np.ones((3, 3)), output=labels)
    sizes = np.bincount(labels.ravel(), minlength=1)[1:]
    found = []
    for number in np.argsort(-sizes, kind="stable"):
        if sizes[number] >= _SMALL * sizes.max():
            strength = np.where(labels == number + 1, far, 0)
            rows, columns = np.nonzero(strength >= _FAINT * strength.max())
            found.append([rows.min(), columns.min(), rows.max() + 1, columns.max() + 1])
    return np.array(found, int).reshape(-1, 4)


def _extent(picture: Frames) -> tuple[slice, slice]:
    """Return the rows and columns of what differs from the background; all of a picture that is all background."""
    rows, columns = (np.flatnonzero(silhouette(picture[None])[0, :, :, 0].any(axis=axis)) for axis in (1, 0))
    return (
        (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)) if len(rows) else (slice(None), slice(None))
    )


def _matte(picture: Frames) -> Frames:
    """Return how far each pixel is from the background, white on black; the farthest is white."""
    far = away(picture[None])[0]
    return np.repeat(np.round(far * (255 / max(1, int(far.max())))).astype(np.uint8)[..., None], 3, axis=-1)


def _plain(picture: Frames, height: int, width: int) -> Frames:
    """Return a frame of nothing but the background of a picture."""
    return np.broadcast_to(background(picture[None]), (height, width, 3)).copy()


def _put(shown: Frames, scale: float, middle: np.ndarray, frame: Frames) -> tuple[Frames, np.ndarray]:
    """Return a frame with a picture on it, scaled, and cut off at its border; `middle` of it is (y, x).

    And the pixels bool `[H, W]` that it has covered.
    """
    from PIL import Image

    size = np.maximum(1, np.round(np.array(shown.shape[:2]) * scale)).astype(int)
    scaled = np.asarray(Image.fromarray(shown).resize((size[1], size[0]), Image.Resampling.BICUBIC))
    first = np.floor(middle - size / 2).astype(int)
    begin, end = np.clip(first, 0, frame.shape[:2]), np.clip(first + size, 0, frame.shape[:2])
    inside = tuple(slice(*each) for each in zip(begin - first, end - first, strict=True))
    covered = np.zeros(frame.shape[:2], bool)
    covered[begin[0] : end[0], begin[1] : end[1]] = True
    frame[covered] = scaled[inside].reshape(-1, 3)
    return frame, covered
