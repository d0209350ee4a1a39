"""Find where a camera looks: which view of a picture a frame shows. The search sees pixels alone."""

from collections.abc import Iterator

import numpy as np

from reelm.media.view import seen, view_weights

_COARSE, _FINE = 16, 64  # sides of the frames that are compared
_PANS = np.linspace(-0.48, 0.48, 13)  # of the first, coarse search
_ZOOMS = np.linspace(-1.2, 1.2, 13)
_HALVINGS = 7  # of the steps of the fine one
_AROUND = np.array([-1, 0, 1])


def found_view(frame: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Return the camera float64 `[3]` whose view of a picture correlates best with a frame: pan x, pan y, log2 of zoom.

    Pans are shares of the first view, which is the whole picture. It is looked for everywhere within half a view, then
    closer and closer about the best.

    frame, picture: uint8 `[S, S, 3]`, of any two sizes.
    """
    small, less = _scaled(frame, _COARSE), _scaled(picture, 2 * _COARSE)
    best = _best(small, less, _PANS, _PANS, _ZOOMS)
    fine, more = _scaled(frame, _FINE), _scaled(picture, 2 * _FINE)
    pan, zoom = _PANS[1] - _PANS[0], _ZOOMS[1] - _ZOOMS[0]
    for _ in range(_HALVINGS):
        pan, zoom = pan / 2, zoom / 2
        best = _best(fine, more, best[0] + pan * _AROUND, best[1] + pan * _AROUND, best[2] + zoom * _AROUND)
    return best


def _best(frame: np.ndarray, picture: np.ndarray, x: np.ndarray, y: np.ndarray, zooms: np.ndarray) -> np.ndarray:
    """Return the best of all cameras of these numbers."""
    found = np.stack([_likeness(frame, views) for views in _views(picture, x, y, zooms, len(frame))])
    zoom, column, row = np.unravel_index(np.argmax(found), found.shape)
    return np.array([x[column], y[row], zooms[zoom]])


def _views(picture: np.ndarray, x: np.ndarray, y: np.ndarray, zooms: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield for each zoom the views float `[len(x), len(y), size, size, 3]` of a picture."""
    for zoom in zooms:
        columns, rows = (np.stack([view_weights(len(picture), size, pan, zoom) for pan in pans]) for pans in (x, y))
        yield np.einsum("qah,hwc,pbw->pqabc", rows, picture, columns, optimize=True)


def _likeness(frame: np.ndarray, views: np.ndarray) -> np.ndarray:
    """Return the correlations `[...]` of a frame with views `[..., S, S, 3]`."""
    a, b = frame.reshape(-1), views.reshape(*views.shape[:-3], -1)
    a, b = a - a.mean(), b - b.mean(axis=-1, keepdims=True)
    return b @ a / np.maximum(np.linalg.norm(a) * np.linalg.norm(b, axis=-1), 1e-9)


def _scaled(frame: np.ndarray, size: int) -> np.ndarray:
    return seen(frame[None], np.zeros((1, 3)), (size, size))[0].astype(np.float32)
