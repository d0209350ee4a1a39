"""Score stories of digits: references of a handwriting, shots with cuts, seconds made anew.

Comes in: a `Model` that learned stories. Goes out: a dict of plain JSON values. Scenes and handwriting are those of
`moving_digits` that training never saw. Digit, colour and direction are read by the judge of digits, the handwriting
by one that learned nothing.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from reelm.data.moving_digits import scenes, stories
from reelm.data.moving_digits.mnist import DigitSet
from reelm.data.moving_digits.scenes import Mover, Scene
from reelm.evaluation.groups import check_at_least
from reelm.evaluation.judges.digits import read
from reelm.evaluation.judges.handwriting import ink, similarity
from reelm.evaluation.scores.intervals import means
from reelm.progress import Progress, silent
from reelm.sampling.conditions.storyboard import Shot
from reelm.sampling.model import Model

AMONG = 100  # pictures of one class that the handwriting is sought in
_SHOTS, _SECONDS = 3, 2.0
_SHOT_FRAMES = 16  # of a shot; the first shot has one more
_RETAKE, _RETAKEN = (1.0, 2.0), slice(8, 16)  # seconds of a clip, and their frames
_FRAMES, _LONG = 17, 25
_NEAR = 2.0  # pixels between two courses that join


class _Case(NamedTuple):
    """Scenes to be seen, one for each shot, the pictures that are given, and a seed."""

    scenes: Sequence[Scene]
    pictures: list[np.ndarray]
    rng: np.random.Generator
    seed: int


def told(model: Model, *, clips: int = 200, seed: int = 0, progress: Progress = silent) -> dict[str, dict[str, Any]]:
    """Return how well clips keep to their stories, each share with its 95% Wilson bounds.

    Names that end in `_rebuilt` are the same of rebuilt real clips, the most that can be reached.

    Groups "reference" and "two references":
        right: clips with each digit, colour and direction right
        hand: clips with each handwriting the nearest of 100 of its class
        not_swapped: clips in which each digit is more like its own picture than like the other one; 1 of one

    "storyboard", three shots of two seconds with one handwriting:
        cuts: clips whose colour changes in just the frames that were asked for
        right: of the `shots` those with digit, colour and direction right
        hand: clips with the handwriting the nearest of 100 in every shot

    "retake", a second in the middle of a real clip:
        right: clips with digit and colour right in that second; hand: with its handwriting the nearest of 100
        joins: clips whose digit is within 2 pixels of its course on both sides
        kept: clips with all other pixels as they were
        edges: change between frames at its edges, as a multiple of that elsewhere
    """
    check_at_least(1, clips=clips)
    groups: dict[str, Callable[[Model, _Case, DigitSet], dict[str, Any]]] = {
        "reference": _shown,
        "two references": _shown,
        "storyboard": _storyboard,
        "retake": _retake,
    }
    digits, found, done = scenes.digits_for("test"), dict[str, dict[str, Any]](), 0
    for number, (group, judge) in enumerate(groups.items()):
        scored = []
        for case in range(clips):
            rng = np.random.default_rng([4, number, seed, case])
            scored.append(judge(model, _drawn(group, digits, rng, seed + case), digits))
            progress(done := done + 1, clips * len(groups))
        shares = {name: f"{name}_interval" for name in scored[0] if not name.startswith("edges")}
        found[group] = {"clips": clips, **means(scored, shares)}
    found["storyboard"]["shots"] = clips * _SHOTS
    return found


def _drawn(group: str, digits: DigitSet, rng: np.random.Generator, seed: int) -> _Case:
    """Return a case of a group."""
    first = scenes.sample_scene(rng, digits, split="test", count=2 if group == "two references" else 1)
    shots = [first]
    while group == "storyboard" and len(shots) < _SHOTS:
        image = first.movers[0].image
        following = scenes.sample_scene(rng, digits, split="test", count=1, images=[image])
        if following.movers[0].colour != shots[-1].movers[0].colour:
            shots.append(following)
    pictures = [stories.picture(digits.images[mover.image], rng) for mover in first.movers]
    return _Case(shots, pictures, rng, seed)


def _shown(model: Model, case: _Case, digits: DigitSet) -> dict[str, Any]:
    [scene] = case.scenes
    words = scenes.caption(scene, case.rng, ("<1>", "<2>"))
    video = model.generate(words, references=case.pictures, num_frames=_FRAMES, seed=case.seed).video
    rebuilt = model.video_tokenizer.reconstruct(scenes.render(scene, digits, _FRAMES))
    own = digits.images[[mover.image for mover in scene.movers]]
    like = [similarity(ink(video, mover.colour), own) for mover in scene.movers]
    return {
        "right": _right(video, scene),
        "right_rebuilt": _right(rebuilt, scene),
        "hand": _hand(video, scene.movers, digits, case.rng),
        "hand_rebuilt": _hand(rebuilt, scene.movers, digits, case.rng),
        "not_swapped": all(each.argmax() == number for number, each in enumerate(like)),
    }


def _storyboard(model: Model, case: _Case, digits: DigitSet) -> dict[str, Any]:
    shots = [Shot(scenes.caption(scene, case.rng, ("<1>",)), seconds=_SECONDS) for scene in case.scenes]
    video = model.generate(storyboard=shots, references=case.pictures, seed=case.seed).video
    lengths = [_SHOT_FRAMES + (number == 0) for number in range(_SHOTS)]
    real = [scenes.render(scene, digits, length) for scene, length in zip(case.scenes, lengths, strict=True)]
    tokenizer = model.video_tokenizer
    cuts = [tokenizer.config.latent_frames(frames) for frames in np.cumsum(lengths)[:-1].tolist()]
    rebuilt = tokenizer.decode(tokenizer.encode(np.concatenate(real)), cuts=cuts)[0]
    parts, rebuilt_parts = (np.split(frames, np.cumsum(lengths)[:-1]) for frames in (video, rebuilt))
    colours = [scene.movers[0].colour for scene in case.scenes]

    def hand(shots: Sequence[np.ndarray]) -> bool:
        return all([_hand(part, each.movers, digits, case.rng) for part, each in zip(shots, case.scenes, strict=True)])

    return {
        "cuts": _cuts(parts, colours),
        "cuts_rebuilt": _cuts(rebuilt_parts, colours),
        "right": [_right(part, scene) for part, scene in zip(parts, case.scenes, strict=True)],
        "right_rebuilt": [_right(part, scene) for part, scene in zip(rebuilt_parts, case.scenes, strict=True)],
        "hand": hand(parts),
        "hand_rebuilt": hand(rebuilt_parts),
    }


def _cuts(parts: Sequence[np.ndarray], colours: Sequence[str]) -> bool:
    """Return whether the last frame of each shot has more of its colour, and the first of the next more of its own."""
    pairs = zip(itertools.pairwise(parts), itertools.pairwise(colours), strict=True)
    return all(
        _more(part[-1], colour, other) and _more(after[0], other, colour) for (part, after), (colour, other) in pairs
    )


def _retake(model: Model, case: _Case, digits: DigitSet) -> dict[str, Any]:
    [scene] = case.scenes
    [mover] = scene.movers
    real = scenes.render(scene, digits, _LONG)
    words = scenes.caption(scene, case.rng)
    video = model.generate(words, video=real, retake=_RETAKE, seed=case.seed).video
    second, outside = video[_RETAKEN], np.ones(_LONG, bool)
    outside[_RETAKEN] = False
    rebuilt = np.where(outside[:, None, None, None], real, model.video_tokenizer.reconstruct(real))
    reading, [wanted] = read(second, 1)[0], [reading.centres for reading in read(real[_RETAKEN], 1)]
    apart = np.linalg.norm(reading.centres - wanted, axis=1)[[0, -1]]
    return {
        "right": (reading.digit, reading.colour) == (mover.digit, mover.colour),
        "hand": _hand(second, [mover], digits, case.rng),
        "hand_rebuilt": _hand(rebuilt[_RETAKEN], [mover], digits, case.rng),
        "joins": bool((apart <= _NEAR).all()),
        "kept": np.array_equal(video[outside], real[outside]),
        "edges": _at_edges(video),
        "edges_rebuilt": _at_edges(rebuilt),
    }


def _at_edges(video: np.ndarray) -> float:
    """Return the change between frames at the edges of the second, as a multiple of that elsewhere."""
    change = np.abs(np.diff(video.astype(float), axis=0)).mean(axis=(1, 2, 3))
    edges = [_RETAKEN.start - 1, _RETAKEN.stop - 1]
    return float(change[edges].mean() / max(1e-6, np.delete(change, edges).mean()))


def _right(video: np.ndarray, scene: Scene) -> bool:
    """Return whether the judge reads each digit with its colour and direction."""
    seen = {reading.what for reading in read(video, len(scene.movers))}
    return seen == {(mover.digit, mover.colour, mover.direction) for mover in scene.movers}


def _hand(video: np.ndarray, movers: Sequence[Mover], digits: DigitSet, rng: np.random.Generator) -> bool:
    """Return whether the handwriting of each mover is the nearest of so many of its class."""
    nearest = []
    for mover in movers:
        others = rng.permutation([image for image in digits.of_digit[mover.digit] if image != mover.image])
        among = digits.images[[mover.image, *others[: AMONG - 1]]]
        nearest.append(similarity(ink(video, mover.colour), among).argmax() == 0)
    return all(nearest)


def _more(frame: np.ndarray, colour: str, other: str) -> bool:
    """Return whether a frame has more of one colour than of another."""
    return bool(ink(frame[None], colour).sum() > ink(frame[None], other).sum())
