"""Tracks in the control field: the position of each subject of the words, as a soft mark around it.

For each subject one channel says whether its position is known. Then, for the first, the middle and the last moment of
a latent frame, there are a weight that falls with the distance from the subject, and that weight times the offset to it
and times waves of the offset. So each code knows the distance of the subject more finely than the grid of codes. (Marks
with a Gaussian weight: ATI, arXiv 2505.22944, section 3. Waves: Fourier features, arXiv 2006.10739.)
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from reelm import value_checks
from reelm.errors import RequestError

# (seconds, (x, y)) pairs of one subject.
Track = Sequence[tuple[float, tuple[float, float]]]

MOMENTS = 3
_MOST_TRACKS = 64  # more than any net follows
_SPREAD = 2.0  # distance in codes at which the weight has fallen to exp(-1/2)
_WAVES = (1.0, 2.0)  # lengths of the waves in codes
CHANNELS = 1 + (3 + 4 * len(_WAVES)) * MOMENTS  # of a subject


def tracks_field(points: np.ndarray, subjects: int, stride: int, grid: tuple[int, int]) -> np.ndarray:
    """Return the part of tracks float32 `[t, h, w, subjects x CHANNELS]` in the control field.

    Args:
        points: float `[n, T, 2]`, (x, y) of n subjects in each of T = 1 + stride (t - 1) frames: to the right and down
            from the top left corner, as fractions of width and height. NaN where it is not known.
        subjects: number that the net knows; those beyond n have no track.
        stride: frames of a latent frame after the first.
        grid: rows and columns of a latent frame.
    """
    (rows, columns), (count, frames, _) = grid, points.shape
    latent_frames = 1 + (frames - 1) // stride
    field = np.zeros((latent_frames, rows, columns, subjects, CHANNELS), np.float32)
    at = _moments(latent_frames, stride)
    low, high = np.floor(at).astype(int), np.ceil(at).astype(int)
    here = (points[:, low] + points[:, high]) / 2 * (columns, rows)  # [n, t, MOMENTS, 2], in codes
    centres = np.stack(np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5), axis=-1)
    way = (here[:, :, None, None] - centres[:, :, None]) / _SPREAD  # [n, t, h, w, MOMENTS, 2]
    weight = np.exp(-np.square(way).sum(axis=-1, keepdims=True) / 2)
    angles = 2 * np.pi * _SPREAD * np.concatenate([way / length for length in _WAVES], axis=-1)
    marks = np.concatenate([np.ones_like(weight), way, np.sin(angles), np.cos(angles)], axis=-1) * weight
    told = np.isfinite(here.sum(axis=(2, 3)))[..., None, None, None]
    marks = np.where(told, marks.reshape(*marks.shape[:-2], -1), 0)
    said = np.broadcast_to(told, (*marks.shape[:-1], 1))
    field[:, :, :, :count] = np.moveaxis(np.concatenate([said, marks], axis=-1), 0, 3)
    return field.reshape(*field.shape[:3], -1)


def read_tracks(tracks: object) -> tuple[Track | None, ...]:
    """Return the tracks that a user gave: for each subject (seconds, (x, y)) pairs, or None.

    Raises RequestError for anything else, for points outside the picture, and for times that do not increase.
    """
    if not isinstance(tracks, list | tuple) or not tracks:
        raise RequestError(
            "tracks are a list with a track for each subject, such as [[(0.0, (0.2, 0.5)), (2.0, (0.8, 0.5))]]"
        )
    if len(tracks) > _MOST_TRACKS:
        raise RequestError(f"there are {len(tracks)} tracks; a clip has at most {_MOST_TRACKS}")
    return tuple(None if track is None else _track(f"track {k + 1}", track) for k, track in enumerate(tracks))


def _track(name: str, track: Any) -> Track:
    try:
        found = tuple((float(at), (float(x), float(y))) for at, (x, y) in track)
    except (TypeError, ValueError) as error:
        raise RequestError(f"{name} is a list of (seconds, (x, y)), not {str(track)[:60]}") from error
    if not found:
        raise RequestError(f"{name} has no point; give (seconds, (x, y)), or None for a subject without a track")
    value_checks.rising(name, [at for at, _ in found])
    places = np.array([place for _, place in found])
    if not (np.isfinite(places).all() and places.min() >= 0 and places.max() <= 1):
        raise RequestError(f"{name} leaves the picture: x and y are shares of its width and height, 0 to 1")
    return found


def points_of(tracks: Sequence[Track | None], frames: int, fps: float) -> np.ndarray:
    """Return float `[n, T, 2]`, the positions in each of T = `frames` frames of tracks from `read_tracks`.

    Positions between two points are interpolated linearly; before the first and after the last a subject stands.
    """
    seconds, points = np.arange(frames) / fps, np.full((len(tracks), frames, 2), np.nan)
    for along, track in zip(points, tracks, strict=True):
        times = [at for at, _ in track or ()]
        for axis in range(2) if times else ():
            along[:, axis] = np.interp(seconds, times, [place[axis] for _, place in track or ()])
    return points


def _moments(latent_frames: int, stride: int) -> np.ndarray:
    """Return float `[t, MOMENTS]`, the frames at the first, the middle and the last moment of each latent frame."""
    last = np.arange(latent_frames) * stride
    first = np.maximum(0, last - stride + 1)
    return np.stack([first, (first + last) / 2, last], axis=-1)
