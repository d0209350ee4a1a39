"""Find the frames in which the movers of a clip bounce, from only the pixels.

In: the `Reading`s of a judge, with centres of ink. Out: frames, as `moving_digits_sound.bounces` counts them: the first
frame that shows a mover at the edge it runs into, or turned back from it. A turn away from the edges is not a bounce.
Turns that the end of the clip cuts off are returned separately, since they cannot be told. This module knows nothing of
sound or scenes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reelm.data.moving_digits.scenes import DIGIT_SIZE, SIZE

from .digits import Reading

_EDGES = (DIGIT_SIZE / 2 - 0.5, SIZE - DIGIT_SIZE / 2 - 0.5)  # centre of a digit that touches an edge
_NEAR = 5.0  # largest distance in pixels of its ink's centre from that; MNIST centres ink to within two
_BACK = 1.5  # pixels that a mover must come back before it counts as turned
_FITTED = 4  # frames before and after a turn that are used to find its time
_LATE = 3  # frames at the end of a clip in which a bounce may begin without being complete


@dataclass(frozen=True, eq=False)
class Bounces:
    """frames: int[n], ascending. unsure: int[m], frames at the end of the clip in which one more may have begun."""

    frames: np.ndarray
    unsure: np.ndarray


def shown_bounces(movers: Sequence[Reading]) -> Bounces:
    """Return the bounces of all movers of a clip. Bounces in the same frame count as one."""
    frames: set[int] = set()
    unsure: set[int] = set()
    for mover in movers:
        turns, late = _turns(mover.centres)
        frames |= set(turns)
        unsure |= set(late)
    return Bounces(frames=np.array(sorted(frames), int), unsure=np.array(sorted(unsure - frames), int))


def _turns(centres: np.ndarray) -> tuple[list[int], list[int]]:
    """Return the frames of one mover's bounces, and the last frames in which an incomplete one may have begun."""
    seen = np.flatnonzero(~np.isnan(centres[:, 0]))
    if len(seen) < 3:
        return [], []
    axis = int(np.argmax(np.ptp(centres[seen], axis=0)))
    # If ink is missing for a moment, the mover is assumed to go straight on.
    way = np.interp(np.arange(len(centres)), seen, centres[seen, axis])
    turns, sign, last = [], 0, 0  # last: the frame of the farthest position since the last turn
    for frame in range(1, len(way)):
        if sign == 0:
            moved = way[frame] - way[0]
            sign = int(np.sign(moved)) if abs(moved) >= _BACK else 0
            last = frame
        elif sign * (way[frame] - way[last]) > 0:
            last = frame
        elif sign * (way[last] - way[frame]) >= _BACK:
            if _at_edge(way[last], sign):
                turns.append(_when(way, last))
            sign, last = -sign, frame
    late = range(len(way) - _LATE, len(way)) if sign and _at_edge(way[last], sign) else ()
    return turns, [frame for frame in late if not turns or frame > turns[-1] + 1]


def _at_edge(place: float, sign: int) -> bool:
    """Return whether a mover on its way up (sign 1) or down the axis meets an edge there."""
    return abs(place - _EDGES[sign > 0]) <= _NEAR


def _when(way: np.ndarray, turn: int) -> int:
    """Return the frame of the bounce around frame `turn`, from straight lines fitted before and after it.

    Movers meet an edge in a frame or half-way between two frames; then the later one counts.
    """
    before = np.arange(max(0, turn - _FITTED), turn)
    after = np.arange(turn + 1, min(len(way), turn + 1 + _FITTED))
    steps = np.abs(np.concatenate([np.diff(way[before]), np.diff(way[after])]))
    speed = float(np.median(steps)) if len(steps) else float(abs(way[turn] - way[turn - 1]))
    if speed < 0.25:
        return turn
    sign = np.sign(way[turn] - way[before[0]])
    rise = np.mean(way[before] - sign * speed * before)
    fall = np.mean(way[after] + sign * speed * after)
    met = sign * (fall - rise) / (2 * speed)
    return int(np.clip(round(met + 0.25), turn - 1, turn + 1))
