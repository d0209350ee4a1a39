"""Compare clips that a model generates from the captions of a data set with its real clips: distance and diversity.

In: a model, and any source of clips with captions. Out: dicts of plain JSON values. Each distance is named after its
features, since Frechet distances over different features cannot be compared.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from reelm.data.clips import ClipSource
from reelm.errors import RequestError
from reelm.evaluation.features import efficientnet, i3d, latents
from reelm.evaluation.groups import Group, HasVideo, batches, judged_groups
from reelm.evaluation.scores.frechet import frechet_distance
from reelm.lm.prompts import truncated
from reelm.progress import Progress, silent
from reelm.sampling.model import Model

_BATCH = 16

Features = Callable[[np.ndarray], np.ndarray]
"""Clips uint8 [B, T, H, W, 3] -> features [B, D]."""


def of_captions(
    model: Model,
    source: ClipSource,
    *,
    clips: int = 200,
    batch: int = 16,
    seed: int = 0,
    best_of: int = 1,
    i3d_params: dict | None = None,
    sheets: Path | None = None,
    progress: Progress = silent,
) -> dict[str, dict[str, Any]]:
    """Return scores of clips generated from the captions of real clips, under "generated"; see `judged`.

    "rebuilt" has the scores of real clips rebuilt by the tokenizer, which is the best that a language model can reach.
    Clips have the most common shape of the source and its frame rate. Batch i is generated with `seed` + i.

    Args:
        source: the real clips, from `catalog.open_clips` or as `ArrayClips`.
        i3d_params: weights from `i3d.load`, for FVD.
        sheets: folder for a contact sheet of the first generated clips.
        progress: called with clips done and in all.
    """
    run = max(source.shapes, key=lambda run: run.clips)
    first = sum(before.clips for before in source.shapes[: source.shapes.index(run)])
    count = min(clips, run.clips)
    if count < 2:
        raise RequestError(f"at least two clips are needed to compare sets, not {count}")
    model.video_tokenizer.config.latent_shape(run.frames, run.height, run.width)
    there = [source[index] for index in range(first, first + count)]
    lm, real = model.language_model(), [clip["video"] for clip in there]
    size = replace(model.defaults, height=run.height, width=run.width, fps=there[0]["fps"])
    by = features_at_hand(i3d_params, num_frames=run.frames)

    def judge(made: Sequence[HasVideo]) -> dict[str, Any]:
        return judged([clip.video for clip in made], real, by)

    prompts = [truncated(lm.config, lm.text, clip["captions"][0]) for clip in there]
    made = judged_groups(
        replace(model, defaults=size),
        {"generated": Group(prompts, min(batch, count), judge)},
        seed=seed,
        num_frames=run.frames,
        best_of=best_of,
        sheets=sheets,
        progress=progress,
    )
    return made | {"rebuilt": judged([model.video_tokenizer.reconstruct(video) for video in real], real, by)}


def features_at_hand(i3d_params: dict | None = None, *, num_frames: int) -> dict[str, Features]:
    """Return the available features of clips, by name.

    natural_latents: always available, see `features.latents`. efficientnet_lite0: means over the frames of a clip, if
    its weights are in `$REELM_HOME`. i3d: for clips of 9 frames or more, if its weights are given; the distance is FVD.
    """
    found: dict[str, Features] = {latents.NAME: latents.features}
    if efficientnet.available():
        found["efficientnet_lite0"] = partial(_of_frames, efficientnet.load())
    if i3d_params is not None and num_frames >= i3d.LEAST_FRAMES:
        found["i3d"] = lambda clips: np.asarray(i3d.features(i3d_params, clips))
    return found


def _of_frames(params: dict, clips: np.ndarray) -> np.ndarray:
    frames = clips.reshape(-1, *clips.shape[2:]).astype(np.float32) / 255
    return np.asarray(efficientnet.features(params, frames)).reshape(*clips.shape[:2], -1).mean(axis=1)


def judged(made: Sequence[np.ndarray], real: Sequence[np.ndarray], by: Mapping[str, Features]) -> dict[str, Any]:
    """Return the number of clips as `clips`, and for each kind of features NAME:

    frechet_NAME: Frechet distance between both sets; too large if there are fewer clips than features
    diversity_NAME: mean distance between two of the clips, divided by that between two real ones
    """
    result: dict[str, Any] = {"clips": len(made)}
    for name, features in by.items():
        ours, theirs = (_in_batches(features, clips) for clips in (made, real))
        result[f"frechet_{name}"] = frechet_distance(ours, theirs)
        result[f"diversity_{name}"] = diversity(ours) / max(diversity(theirs), 1e-12)
    return result


def _in_batches(features: Features, clips: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([features(np.stack(batch))[:count] for batch, count in batches(clips, _BATCH)])


def diversity(features: np.ndarray) -> float:
    """Return the mean distance over all pairs of a set of features [N, D]; 0 if all are equal."""
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"diversity needs at least two features, got {features.shape}")
    features = features.astype(np.float64)
    features = features - features.mean(axis=0)  # does not change distances, and reduces rounding
    squares = np.sum(np.square(features), axis=1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * features @ features.T, 0))
    np.fill_diagonal(distances, 0)
    return float(distances.sum() / (len(features) * (len(features) - 1)))
