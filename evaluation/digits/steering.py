"""Score how generated clips of digits follow what steers them: tracks, silhouettes, a motion score.

Comes in: a `Model` that follows tracks. Goes out: a dict of plain JSON values. Paths and handwriting are those of
`steered_digits` that training never saw; the judge sees pixels alone.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reelm.data.moving_digits import paths, scenes
from reelm.evaluation import motion
from reelm.evaluation.groups import Group, HasVideo, check_at_least, judged_groups
from reelm.evaluation.judges.digits import Reading, read
from reelm.evaluation.scores.intervals import means
from reelm.evaluation.scores.pictures import silhouette_overlap
from reelm.media.outlines import silhouette
from reelm.progress import Progress, silent
from reelm.sampling.model import Model

GROUPS = ("tracks", "held-out tracks", "two tracks", "no tracks", "silhouettes")
NEAR = 2.0  # pixels from its path at which a digit still follows it
_REBUILT = ("near", "right", "not_swapped", "iou")  # what is judged of rebuilt real clips, too


def steering(
    model: Model,
    *,
    clips: int = 200,
    seed: int = 0,
    num_frames: int = 17,
    groups: Sequence[str] = GROUPS,
    sheets: Path | None = None,
    progress: Progress = silent,
) -> dict[str, dict[str, Any]]:
    """Return how well clips follow what steers them, for each group of `GROUPS`, and for the motion score.

    Groups with tracks hold

        near, interval: share of frames with the centre of each digit within 2 pixels of its path, and 95% bounds of its
            mean over clips
        right: share of clips with each digit and colour right, and its 95% Wilson bounds `right_interval`
        not_swapped: of two digits, share of clips in which each is nearer to its own path; 1 of one
        near_rebuilt, right_rebuilt, not_swapped_rebuilt: the same of rebuilt real clips, the most that can be reached

    "no tracks" is the same clips from words alone. "silhouettes" holds the mean intersection over union with the
    silhouette that was given, `iou_rebuilt`, and the share with the colour of the words. "motion" holds Spearman's
    correlation of the motion that was asked for at five levels and that which is seen; see `motion.at_levels`.
    """
    check_at_least(1, clips=clips)
    check_at_least(2, num_frames=num_frames)
    words = [_words(number) for number in range(max(1, clips // len(motion.LEVELS)))]
    asked = {group: _group(model, group, clips, seed, num_frames) for group in groups}
    asked["motion"] = motion.at_levels(words, seed=seed)
    return judged_groups(model, asked, seed=seed, num_frames=num_frames, sheets=sheets, progress=progress)


def _group(model: Model, name: str, clips: int, seed: int, num_frames: int) -> Group:
    cases = list(_cases(name, clips, seed, num_frames))
    scores = _filled if name == "silhouettes" else _followed

    def judge(made: Sequence[HasVideo]) -> dict[str, Any]:
        real = scores(cases, [model.video_tokenizer.reconstruct(case.video) for case in cases])
        rebuilt = {f"{key}_rebuilt": real[key] for key in _REBUILT if key in real}
        return scores(cases, [clip.video for clip in made]) | rebuilt

    return Group([case.words for case in cases], 1, judge, [case.steers for case in cases])


class _Case(NamedTuple):
    """What is asked for, and what is to be seen: float `[n, T, 2]` in pixels, names of digits and colours."""

    words: str
    steers: dict[str, Any]
    tracks: np.ndarray
    digits: Sequence[int]
    colours: Sequence[str]
    video: np.ndarray


def _cases(group: str, clips: int, seed: int, num_frames: int) -> Iterator[_Case]:
    """Yield the cases of a group."""
    split = "held_out" if group == "held-out tracks" else "test"
    count, index = 2 if group == "two tracks" else 1, 1_000_000 * seed
    while clips:
        clip = paths.example(split, index, num_frames)
        index += 1
        if len(clip["digits"]) != count:
            continue
        pairs = zip(clip["colours"], clip["digits"], strict=True)
        words = " and ".join(f"a {colour} {scenes.DIGIT_WORDS[digit]}" for colour, digit in pairs)
        steers: dict[str, Any] = {}
        if group == "silhouettes":
            steers = {"control": silhouette(clip["video"]), "control_kind": "silhouette"}
        elif group != "no tracks":
            seconds = np.arange(num_frames) / scenes.FPS
            steers = {
                "tracks": [
                    [(float(at), (float(x), float(y))) for at, (x, y) in zip(seconds, track, strict=True)]
                    for track in clip["tracks"]
                ]
            }
        pixels = clip["tracks"] * scenes.SIZE - 0.5  # of the middle of pixel 0 as 0
        yield _Case(words, steers, pixels, clip["digits"], clip["colours"], clip["video"])
        clips -= 1


def _followed(cases: Sequence[_Case], made: Sequence[np.ndarray]) -> dict[str, Any]:
    scores = []
    for case, video in zip(cases, made, strict=True):
        readings = _by_colour(read(video, len(case.digits)), case.colours)
        away = [[_apart(each, track) for track in case.tracks] for each in readings]
        apart = [[_mean_of_read(each) for each in own] for own in away]
        scores.append(
            {
                "near": float(np.mean([own[k] <= NEAR for k, own in enumerate(away)])),
                "right": [each and each.digit for each in readings] == list(case.digits),
                "not_swapped": all(own[k] <= min(own) < np.inf for k, own in enumerate(apart)),
            }
        )
    return {"clips": len(made), **means(scores, {"near": "interval", "right": "right_interval"})}


def _apart(reading: Reading | None, track: np.ndarray) -> np.ndarray:
    """Return how far a digit is from a track `[T, 2]` in each frame, in pixels; NaN where it is not read."""
    return np.full(len(track), np.nan) if reading is None else np.linalg.norm(reading.centres[:, ::-1] - track, axis=1)


def _mean_of_read(away: np.ndarray) -> float:
    """Return the mean of distances `[T]` over the frames in which the digit is read; infinity without any."""
    read_in = away[~np.isnan(away)]
    return float(read_in.mean()) if len(read_in) else np.inf


def _by_colour(readings: Sequence[Reading], colours: Sequence[str]) -> list[Reading | None]:
    """Return the reading of each colour; None for a colour that is not read."""
    return [next((each for each in readings if each.colour == colour), None) for colour in colours]


def _filled(cases: Sequence[_Case], made: Sequence[np.ndarray]) -> dict[str, Any]:
    pairs = zip(cases, made, strict=True)
    scores = [
        {"iou": silhouette_overlap(case.video, video), "colour": read(video, 1)[0].colour == case.colours[0]}
        for case, video in pairs
    ]
    return {"clips": len(made), **means(scores, {"iou": "interval", "colour": "colour_interval"})}


def _words(case: int) -> str:
    """Return the words of clips that are made at all levels of motion."""
    rng = np.random.default_rng([3, case])
    return f"a {rng.choice(list(scenes.COLOURS))} {rng.choice(scenes.DIGIT_WORDS)}"
