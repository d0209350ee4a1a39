"""Score how generated emoji follow what steers them: edges, a camera, a motion score.

Comes in: a `Model` of animated emoji that knows all three. The set must have been built, at 128 pixels and at 256. Goes
out: a dict of plain JSON values.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reelm.evaluation import motion
from reelm.evaluation.features import efficientnet
from reelm.evaluation.groups import check_at_least
from reelm.evaluation.scores.intervals import mean_interval, wilson_interval
from reelm.evaluation.scores.pictures import psnr, silhouette_overlap
from reelm.evaluation.scores.views import found_view
from reelm.evaluation.steered import Maker
from reelm.lm.control.camera import Camera
from reelm.media.view import seen
from reelm.progress import Progress, silent
from reelm.sampling.model import Model

from .camera import moves
from .judge import Asked, Gallery, gallery, judged, prompts
from .source import AnimatedEmojiSet, EmojiClips

_LARGE = "256px_8fps"  # that a camera looks at
_SEED = 6  # of cameras; those of the training set have another
_ZOOMED = 0.2  # least power of two whose direction and size are judged


def steering(
    model: Model,
    *,
    clips: int = 200,
    seed: int = 0,
    sheets: Path | None = None,
    progress: Progress = silent,
) -> dict[str, dict[str, Any]]:
    """Return how well clips of three seconds follow what steers them, at most `clips` of each group.

    edges: words of a pair of emoji and skin tone that training never showed, edges of the same emoji in another tone
    words: the same words alone
    camera: plain captions of training, seen by a camera that pans, zooms or does both
    motion: see `motion.at_levels`; a fifth as many captions, each at five levels

    "edges" and "words" hold what `judge.judged` gives; `iou`, the mean intersection over union of the clip's
    silhouette and that of the real clip of that tone; `psnr` from that clip; and both of it rebuilt. "camera" holds,
    of the view that is seen at the end of each latent frame,

        pan: median distance of the pan from the one asked for, of the change in a latent frame, in pixels; share
            `near`, and its 95% bounds `interval`, of clips where the median of their own is at most one
        zooms: clips that zoom by a fifth of an octave or more; `direction` and `size`, the shares in which the view
            at the end is zoomed the same way, and within 20% of so much
        and pan, direction and size of rebuilt real clips

    Raises:
        RequestError: the set was not built, or the weights of the judge's net are absent; each says what to do.
    """
    check_at_least(1, clips=clips)
    net = efficientnet.load()
    train, held_out = (AnimatedEmojiSet().open(split) for split in ("train", "held_out"))
    restyled, followed = _restyled(train, held_out, clips), [caption for caption, _ in prompts(train, clips)]
    still = followed[: max(1, clips // len(motion.LEVELS))]
    total = 2 * len(restyled) + len(followed) + len(motion.LEVELS) * len(still)
    maker, words = Maker(model, None, seed, sheets, progress, total), [case.words for case in restyled]
    made = {
        "edges": maker.made("edges", words, [case.steers for case in restyled]),
        "words": maker.made("words", words, [{}] * len(words)),
    }
    real = gallery(net, (train, held_out))
    found = {group: _follows_edges(net, real, restyled, each, model) for group, each in made.items()}
    large = AnimatedEmojiSet(config=_LARGE).open("train")
    cameras = [_camera(number, train.num_frames) for number in range(len(followed))]
    asked = [{"camera": _as_given(camera, large[0]["fps"])} for camera in cameras]
    found["camera"] = _follows_camera(maker.made("camera", followed, asked), cameras, large, model)
    found["motion"] = motion.at_levels(model, still, num_frames=train.num_frames, seed=seed, done=maker.one_more)
    return found


class _Restyled(NamedTuple):
    """Words that ask for an emoji in a tone, the edges of another tone, and the real clip of the tone asked for."""

    words: str
    asked: Asked
    steers: dict[str, Any]
    video: np.ndarray


def _restyled(train: EmojiClips, held_out: EmojiClips, count: int) -> list[_Restyled]:
    others = dict[str, int]()
    for index in range(train.emoji):  # those with a tone look alike, the yellow ones too, but not so much
        what = train.what(index)
        if what["emoji"] not in others or what["tone"]:
            others[what["emoji"]] = index
    found = []
    for index, (words, asked) in enumerate(prompts(held_out, held_out.emoji)):
        if asked.base in others and len(found) < count:
            steers = {"control": train[others[asked.base]]["video"], "control_kind": "edges"}
            found.append(_Restyled(words, asked, steers, held_out[index]["video"]))
    return found


def _follows_edges(
    net: dict,
    real: Gallery,
    cases: Sequence[_Restyled],
    made: Sequence[np.ndarray],
    model: Model,
) -> dict[str, Any]:
    shared, most = list[float](), list[float]()
    nearness, nearest = list[float](), list[float]()
    for case, video in zip(cases, made, strict=True):
        again = model.video_tokenizer.reconstruct(case.video)
        shared.append(silhouette_overlap(case.video, video))
        most.append(silhouette_overlap(case.video, again))
        nearness.append(psnr(case.video, video))
        nearest.append(psnr(case.video, again))
    return judged(net, real, made, [case.asked for case in cases]) | {
        "iou": float(np.mean(shared)),
        "iou_interval": list(mean_interval(shared)),
        "iou_rebuilt": float(np.mean(most)),
        "psnr": float(np.mean(nearness)),
        "psnr_rebuilt": float(np.mean(nearest)),
    }


def _camera(number: int, frames: int) -> np.ndarray:
    """Return the path `[T, 3]` of a camera that moves, for clip `number`."""
    rng = np.random.default_rng([_SEED, number])
    while not (path := moves(rng, frames)).any():
        pass
    return path


def _as_given(path: np.ndarray, fps: float) -> list[tuple[float, Camera]]:
    return [(t / fps, Camera(pan=(float(x), float(y)), zoom=float(2.0**zoom))) for t, (x, y, zoom) in enumerate(path)]


def _follows_camera(
    made: Sequence[np.ndarray], cameras: Sequence[np.ndarray], art: EmojiClips, model: Model
) -> dict[str, Any]:
    """Score clips of the first emoji of `art`, each by its camera."""
    stride = model.video_tokenizer.config.time_stride
    seen_by, seen_rebuilt, asked = list[np.ndarray](), list[np.ndarray](), list[np.ndarray]()
    for number, (video, camera) in enumerate(zip(made, cameras, strict=True)):
        whole = art[number]["video"]
        again = model.video_tokenizer.reconstruct(seen(whole, camera, video.shape[1:3]))
        for found, each in ((seen_by, video), (seen_rebuilt, again)):
            found.append(np.stack([found_view(each[t], whole[t]) for t in range(stride, len(video), stride)]))
        asked.append(camera[stride::stride])
    size = made[0].shape[1]
    scores = _near_views(np.stack(seen_by), np.stack(asked), size)
    most = _near_views(np.stack(seen_rebuilt), np.stack(asked), size)
    return scores | {f"{name}_rebuilt": most[name] for name in ("pan", "near", "direction", "size")}


def _near_views(found: np.ndarray, asked: np.ndarray, size: int) -> dict[str, Any]:
    """Compare views `[n, t, 3]` at the ends of latent frames; size: of a frame in pixels."""
    changes = [np.diff(each, axis=1, prepend=0) for each in (found, asked)]
    away = np.linalg.norm((changes[0] - changes[1])[..., :2], axis=-1) * size
    near = np.median(away, axis=1) <= 1
    zoomed = np.abs(asked[:, -1, 2]) >= _ZOOMED
    ratio = found[zoomed, -1, 2] / asked[zoomed, -1, 2]
    return {
        "clips": len(found),
        "pan": float(np.median(away)),
        "near": float(np.mean(near)),
        "interval": list(wilson_interval(int(near.sum()), len(near))),
        "zooms": int(zoomed.sum()),
        "direction": float(np.mean(ratio > 0)),
        "size": float(np.mean(np.abs(ratio - 1) <= 0.2)),
    }
