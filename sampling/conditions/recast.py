"""Another cast: subjects of frames in the forms of others, in their own colours; or as they are, at other places.

In: frames uint8 `[T, H, W, 3]` on a plain background, and a picture of whom each subject becomes, or where it is to be.
Out: such frames.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from reelm.media.outlines import away, background, silhouette
from reelm.media.pixels import Frames
from reelm.media.portrait import matte

_SMALL = 1 / 8  # of the largest subject's pixels; what is smaller is no subject
_FAINT = 0.35  # of the most that a subject differs from the background; measured: a rebuilt digit is then no larger
_STRONG = 0.9  # of that, from where on a pixel is all subject
_ALIKE = 0.5  # of what a channel says, by which pixels of one colour may differ
_HALO = 2  # pixels around a box that a decoder may have blurred the subject into


def subjects(frame: Frames) -> np.ndarray:
    """Return the boxes int `[n, 4]` of what stands apart in one colour: top, left, bottom, right; largest first.

    What is faint beside the rest of a subject holds it together, but is no part of its box: a decoder blurs borders.
    """
    from scipy import ndimage

    far, sizes, strengths = away(frame[None])[0], list[int](), list[np.ndarray]()
    for one in _colours(frame):
        labels: np.ndarray = np.empty(far.shape, np.int32)
        ndimage.label(one, structure=np.ones((3, 3)), output=labels)
        sizes += np.bincount(labels.ravel(), minlength=1)[1:].tolist()
        strengths += [np.where(labels == number, far, 0) for number in range(1, labels.max() + 1)]
    found = []
    for number in np.argsort(-np.array(sizes), kind="stable"):
        if sizes[number] >= _SMALL * max(sizes):
            rows, columns = np.nonzero(strengths[number] >= _FAINT * strengths[number].max())
            found.append([rows.min(), columns.min(), rows.max() + 1, columns.max() + 1])
    return np.array(found, int).reshape(-1, 4)


def _colours(frame: Frames) -> Iterator[np.ndarray]:
    """Yield which pixels, bool `[H, W]`, are of one colour, blended with the background or not."""
    far, rest = away(frame[None])[0], silhouette(frame[None])[0, :, :, 0] > 0
    hues = (frame - background(frame[None]).astype(float)) / np.maximum(1, far)[..., None]
    while rest.any():
        strongest = np.unravel_index(np.argmax(np.where(rest, far, 0)), far.shape)
        one = rest & (np.abs(hues - hues[strongest]).max(axis=-1) < _ALIKE)
        yield one
        rest &= ~one


def followed(frames: Frames) -> np.ndarray:
    """Return the boxes int `[T, n, 4]` of the subjects of the last frame in all frames, each of one size throughout."""
    last = subjects(frames[-1])
    boxes = np.broadcast_to(last, (len(frames), *last.shape)).copy()
    for frame, there in zip(frames[:-1], boxes, strict=False):
        found = subjects(frame)
        away_by = _middles(found)[None] - _middles(last)[:, None]  # [n, found, 2]
        if len(found) and len(last):
            nearest = np.abs(away_by).max(axis=-1).argmin(axis=1)
            there += np.round(np.tile(away_by[np.arange(len(last)), nearest], 2)).astype(int)
    return boxes


def recognised(frame: Frames, boxes: np.ndarray, pictures: Sequence[Frames]) -> list[tuple[int, int]]:
    """Return (the number of a picture, that of the box `[n, 4]` which shows it best), as far as they go."""
    from scipy.optimize import linear_sum_assignment

    far, unlike = away(frame[None])[0], np.zeros((len(pictures), len(boxes)))
    for number, (top, left, bottom, right) in enumerate(np.maximum(0, boxes)):
        there = np.zeros(far.shape)
        there[top:bottom, left:right] = far[top:bottom, left:right]
        for which, picture in enumerate(pictures):
            form = matte(picture, boxes[number], *far.shape)[..., 0]
            unlike[which, number] = -(there * form).sum() / max(1.0, np.linalg.norm(there) * np.linalg.norm(form))
    return list(zip(*map(np.ndarray.tolist, linear_sum_assignment(unlike)), strict=True))


def recast(frames: Frames, boxes: np.ndarray, pictures: Sequence[Frames | None]) -> Frames:
    """Return frames in which subjects have the forms of others. The rest of the frames stays.

    Args:
        frames: uint8 `[T, H, W, 3]`.
        boxes: int `[T, n, 4]`, of the subjects in each frame.
        pictures: of whom each of the n becomes; None leaves it out.
    """
    far, plain, made = away(frames)[-1], background(frames), frames.astype(float)
    for frame, there in zip(made, boxes, strict=True):
        for box in there:
            frame[_around(box, frame.shape[:2])] = plain
    for number, picture in enumerate(pictures):
        if picture is not None:
            # That of the last frame: a decoder has seen most in front of it.
            seen = _colour(frames[-1], far, boxes[-1, number]) - plain
            colour = np.clip(plain + seen * (away(picture[None]).max() / max(1, np.abs(seen).max())), 0, 255)
            for frame, box in zip(made, boxes[:, number], strict=True):
                frame += matte(picture, box, *frame.shape[:2]) * (colour - frame)
    return np.round(made).astype(np.uint8)


def moved(frames: Frames, boxes: np.ndarray, places: np.ndarray) -> Frames:
    """Return frames in which a subject is at other places. The rest of the frames stays.

    Args:
        frames: uint8 `[T, H, W, 3]`.
        boxes: int `[T, 4]`, of the subject in each frame.
        places: float `[T, 2]`, (x, y) of its centre of mass, as shares of width and height.
    """
    made, size = recast(frames, boxes[:, None], [None]), np.array(frames.shape[1:3])
    for frame, old, far, covered, box, place in zip(made, frames, away(frames), away(made), boxes, places, strict=True):
        way = np.round(place[::-1] * size - _centre(far, box)).astype(int)
        there = np.argwhere(np.ones([end - begin for begin, end in _span(box, size)], bool)) + _span(box, size)[:, 0]
        there = there[((there + way >= 0) & (there + way < size)).all(axis=1)]
        there = there[far[tuple(there.T)] > covered[tuple((there + way).T)]]
        frame[tuple((there + way).T)] = old[tuple(there.T)]
    return made


def nearest(frame: Frames, boxes: np.ndarray, place: np.ndarray) -> int:
    """Return which of the boxes `[n, 4]` of a frame has its centre of mass nearest to (x, y), shares of its sides."""
    far = away(frame[None])[0]
    apart = [np.linalg.norm(_centre(far, box) - place[::-1] * far.shape) for box in boxes]
    return int(np.argmin(apart))


def _span(box: np.ndarray, size: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return the first and one past the last row of a box with its halo, and column, `[2, 2]`."""
    first, end = np.maximum(0, box[:2] - _HALO), np.minimum(size, box[2:] + _HALO)
    return np.stack([first, end], axis=1)


def _around(box: np.ndarray, size: Sequence[int] | np.ndarray) -> tuple[slice, slice]:
    """Return the rows and columns of a box with its halo."""
    rows, columns = _span(box, size).tolist()
    return slice(*rows), slice(*columns)


def _centre(far: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return the centre of mass (y, x) of a subject in pixels from the top left corner of the frame."""
    mass = far[_around(box, far.shape)].astype(float)
    middles = [np.arange(count) + 0.5 for count in mass.shape]
    inside = np.array([mass.sum(axis=1) @ middles[0], mass.sum(axis=0) @ middles[1]]) / max(1.0, mass.sum())
    return _span(box, far.shape)[:, 0] + inside


def _colour(frame: Frames, far: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return the colour `[3]` of a subject in a frame: the median of what is all subject."""
    rows, columns = _around(box, far.shape)
    inside = far[rows, columns]
    return np.median(frame[rows, columns][inside >= _STRONG * inside.max()], axis=0)


def _middles(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, :2] + boxes[:, 2:]) / 2
