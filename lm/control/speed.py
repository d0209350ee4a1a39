"""How fast tracks and cameras move, and warnings about those that move beyond what a training saw.

In: positions in each frame, a training domain. Out: speeds, or sentences.
"""

import numpy as np

from reelm.lm.training_domain import TrainingDomain


def track_speeds(points: np.ndarray, stride: int, aspect: float) -> np.ndarray:
    """Return float `[n]`, the highest speed of each track in heights of the picture a frame; 0 where none is known.

    A net is told where a subject is a few times in each latent frame, so a speed is the way from one frame to that
    `stride` frames later, divided by `stride`.

    Args:
        points: float `[n, T, 2]` as for `tracks.tracks_field`.
        stride: frames of a latent frame after the first.
        aspect: width of the picture divided by its height.
    """
    apart = min(stride, points.shape[1] - 1)
    if apart < 1 or not len(points):
        return np.zeros(len(points))
    ways = (points[:, apart:] - points[:, :-apart]) * (aspect, 1.0)
    return np.nan_to_num(np.linalg.norm(ways, axis=-1)).max(axis=1) / apart


def track_area(points: np.ndarray) -> tuple[float, float, float, float] | None:
    """Return (left, top, right, bottom) of all known points of tracks float `[n, T, 2]`; None if none is known."""
    known = points[np.isfinite(points).all(axis=-1)]
    if not len(known):
        return None
    (left, top), (right, bottom) = known.min(axis=0), known.max(axis=0)
    return float(left), float(top), float(right), float(bottom)


def camera_speed(path: np.ndarray, stride: int) -> np.ndarray:
    """Return float `[3]`, the highest changes a frame of orbit in degrees, log2 of zoom, and rise; see `track_speeds`.

    path: float `[T, 3]` as for `camera.camera_field`.
    """
    apart = min(stride, len(path) - 1)
    return np.zeros(3) if apart < 1 else np.abs(path[apart:] - path[:-apart]).max(axis=0) / apart


def beyond(
    domain: TrainingDomain,
    tracks: np.ndarray | None,
    camera: np.ndarray | None,
    *,
    stride: int,
    height: int,
    width: int,
) -> list[str]:
    """Return a warning for each track that is faster than all in training or leaves their area, and for the camera.

    Args:
        domain: what the training saw; what it did not record is not warned of.
        tracks: float `[n, T, 2]` as for `tracks.tracks_field`, or None.
        camera: float `[T, 3]` as for `camera.camera_field`, or None.
        stride: frames of a latent frame after the first.
        height, width: of the frames, in pixels.
    """
    found = list[str]()
    for number, track in enumerate([] if tracks is None else tracks, 1):
        if domain.track_speed is not None:
            speed, most = (
                height * each for each in (track_speeds(track[None], stride, width / height)[0], domain.track_speed)
            )
            found += _faster(f"track {number} moves", speed, most, "pixels")
        if domain.track_area is not None and (area := track_area(track[None])) is not None:
            found += _outside(number, area, domain.track_area)
    if camera is not None and domain.camera_speed is not None:
        orbit, zoom, rise = zip(camera_speed(camera, stride), domain.camera_speed, strict=True)
        wider, higher = [100 * (2**each - 1) for each in zoom], [100 * each for each in rise]
        found += _faster("the camera circles", orbit[0], orbit[1], "degrees")
        found += _faster("the camera zooms", wider[0], wider[1], "percent")
        found += _faster("the camera rises", higher[0], higher[1], "percent of its distance")
    return found


def _faster(moves: str, speed: float, most: float, unit: str) -> list[str]:
    """Return a warning if a speed, as it is written, is above the highest in training."""
    speed, most = round(float(speed), 1), round(float(most), 1)
    return [f"{moves} {speed:g} {unit} a frame; the fastest in training was {most:g}"] if speed > most else []


def _outside(number: int, area: tuple[float, ...], trained: tuple[float, ...]) -> list[str]:
    """Return a warning if the area of a track, as it is written, is not inside that of training."""
    left, top, right, bottom = (round(each, 2) for each in area)
    least_x, least_y, most_x, most_y = (round(each, 2) for each in trained)
    if left >= least_x and top >= least_y and right <= most_x and bottom <= most_y:
        return []
    within = f"{least_x:g} to {most_x:g} across and {least_y:g} to {most_y:g} down"
    return [f"track {number} comes near the edge: in training all were within {within}"]
