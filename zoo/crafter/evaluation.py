"""Score a model of the game Crafter against the game itself (`reelm evaluate generation --task world`).

In: a `Model` that is played with the keys of Crafter. Out: a dict of plain JSON values. The game is played in lands
that no model has seen, and the model's next frame is compared with the game's. Each figure has its `value`, the bounds
of its 95% `interval`, and the number `n` of its cases.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from reelm.errors import RequestError
from reelm.evaluation.groups import batches, check_at_least
from reelm.evaluation.scores.intervals import mean_interval, wilson_interval
from reelm.media.clip import Clip
from reelm.progress import Progress, silent
from reelm.sampling.model import Model

from .cases import HORIZON, Start, any_keys, played, walk
from .game import FPS, KEYS, LAND, SIZE
from .judge import MIDDLE, Case, Textures, did, obeyed, psnr, right_tiles

Figures = dict[str, dict[str, Any]]

_STARTS = 10  # cases for each start of many steps
_BATCH = 32  # frames that the tokenizer rebuilds at a time


def world(
    model: Model, *, clips: int = 200, num_frames: int = 100, seed: int = 0, progress: Progress = silent
) -> dict[str, Any]:
    """Score a world model.

    Each tile is read as the nearest of all textures that the game showed. It is right if the game has the same texture.

    tokenizer: `tiles`, fraction of the tiles of a frame that are right after rebuilding; `kinds`, the same for each
    kind
        of tile; `psnr` in dB
    one step, after six real frames:
        tiles: fraction of right tiles after a move, among those in view before and without a creature or the player
        moved: fraction of moves onto free ground after which the land is nearer to its right position than to the old
        one blocked: fraction of moves against water, trees, stone and tables after which the land has not moved;
        turned: the
            fraction in which the player also faces that way
        in front, goods: fractions of actions in which the tile in front is right, and all items of the player
        do tree, do stone, do water: fraction of each in which both are right
    delta psnr: PSNR to the game's frames with its keys minus that with random keys, in dB (arXiv 2402.15391), by step
    textures: fraction of tiles that match a texture after a number of steps, up to `num_frames`

    Args:
        model: the model to score.
        clips: number of cases of moves, of blocked moves and of actions each; a tenth of that for long clips.
        num_frames: steps of the longest clips, 20 or more.
        seed: of lands, keys and sampling.
        progress: called with the number of frames made.

    Raises:
        RequestError: the model is not played with the keys of Crafter, or Crafter is not installed.
    """
    check_at_least(1, clips=clips)
    check_at_least(HORIZON, num_frames=num_frames)
    _check(model)
    textures = Textures()
    cases, starts = played(clips, max(2, clips // _STARTS), seed, textures.see)
    real = [case.after for case in cases] + [frame for start in starts for frame in start.after]
    total = len(cases) + len(starts) * (num_frames + HORIZON)
    made = list[np.ndarray]()
    for case in cases:
        made.append(_made(model, case, [case.key], seed + len(made))[0])
        progress(len(made), total)
    rng, with_keys, at_random = np.random.default_rng(seed), list[np.ndarray](), list[np.ndarray]()
    for at, start in enumerate(starts):
        keys = start.keys + walk(rng, num_frames - HORIZON)
        with_keys.append(_made(model, start, keys, seed + at))
        at_random.append(_made(model, start, any_keys(rng, HORIZON), seed + at))
        progress(len(cases) + (at + 1) * (num_frames + HORIZON), total)
    return {
        "tokenizer": _tokenizer(model, textures, real),
        "one step": one_step(textures, cases, made),
        "delta psnr": delta_psnr(starts, with_keys, at_random),
        "textures": like_textures(textures, with_keys, num_frames),
    }


def _check(model: Model) -> None:
    keys, stride = model.language_model().config.keys, model.video_tokenizer.config.time_stride
    if not set(KEYS) <= set(keys) or stride != 1:
        raise RequestError(f"{model.name!r} was not trained to be played with the keys of Crafter, one for each frame")


def _made(model: Model, begun: Case | Start, keys: Sequence[str | None], seed: int) -> np.ndarray:
    """Return the frames uint8 `[len(keys), 72, 72, 3]` that the model makes after real ones."""

    def held(keys: Sequence[str | None]) -> list[list[str]]:
        return [[] if key is None else [key] for key in keys]

    frames = len(begun.frames)
    before = Clip(video=begun.frames, fps=FPS, info={"keys": held(begun.before)})
    options: dict[str, Any] = {"height": SIZE, "width": SIZE, "fps": FPS, "seed": seed}
    clip: Any = model.generate(video=before, keys=held(keys), num_frames=frames + len(keys), **options)
    return clip.video[frames:]


def _tokenizer(model: Model, textures: Textures, real: Sequence[np.ndarray]) -> Figures:
    frames = np.stack(real)
    rebuilt = np.concatenate(
        [model.video_tokenizer.reconstruct(np.stack(batch)[:, None])[:n, 0] for batch, n in batches(real, _BATCH)]
    )
    kinds = textures.nearest(frames)[0]
    right = textures.nearest(rebuilt)[0] == kinds
    return {
        "tiles": _mean(right.mean((1, 2)), share=True),
        "kinds": _mean([right[kinds == kind].mean() for kind in np.unique(kinds)], share=True),
        "psnr": _mean([psnr(one, other) for one, other in zip(frames, rebuilt, strict=True)]),
    }


def one_step(textures: Textures, cases: Sequence[Case], made: Sequence[np.ndarray]) -> Figures:
    """Return the figures of one step; `made` has the model's frame uint8 `[72, 72, 3]` for each case."""
    tiles, moved, stayed, turned = list[float](), list[bool](), list[bool](), list[bool]()
    done: dict[str, list[bool]] = {"in front": [], "goods": []}
    for case, frame in zip(cases, made, strict=True):
        right = right_tiles(textures, case, frame)
        if case.kind == "moved":
            tiles.append(float(right[:LAND][case.sure].mean()))
            moved.append(obeyed(case, frame))
        elif case.key == "do":
            in_front, goods = did(case, right)
            done["in front"].append(in_front)
            done["goods"].append(goods)
            done.setdefault(case.kind, []).append(in_front and goods)
        else:
            stayed.append(obeyed(case, frame))
            turned.append(stayed[-1] and bool(right[MIDDLE]))
    shares = {"moved": moved, "blocked": stayed, "turned": turned} | done
    return {"tiles": _mean(tiles, share=True)} | {name: _share(each) for name, each in shares.items()}


def delta_psnr(starts: Sequence[Start], with_keys: Sequence[np.ndarray], at_random: Sequence[np.ndarray]) -> Figures:
    """Return the gain of PSNR to the game by its keys over random ones, by step; `[T, 72, 72, 3]` for each start."""
    figures = {}
    for step in range(HORIZON):
        triples = zip(starts, with_keys, at_random, strict=True)
        gains = [psnr(x.after[step], one[step]) - psnr(x.after[step], other[step]) for x, one, other in triples]
        figures[f"step {step + 1}"] = _mean(gains)
    return figures


def like_textures(textures: Textures, made: Sequence[np.ndarray], steps: int) -> Figures:
    """Return the fraction of tiles that match a texture, after 1, 10, 100, ... and after all steps."""
    powers = (10**power for power in range(9))
    marks = sorted({steps, *(each for each in powers if each < steps)})
    return {
        f"step {step}": _mean([textures.nearest(video[step - 1])[1].mean() for video in made], share=True)
        for step in marks
    }


def _share(answers: Sequence[bool]) -> dict[str, Any]:
    yes, n = sum(answers), len(answers)
    return {"value": yes / n if n else None, "interval": list(wilson_interval(yes, n)), "n": n}


def _mean(values: Sequence[float] | np.ndarray, *, share: bool = False) -> dict[str, Any]:
    """Return the figure of independent values; the interval of a share is clipped to [0, 1]."""
    found = [float(value) for value in values]
    low, high = mean_interval(found)
    interval = [max(low, 0.0), min(high, 1.0)] if share else [low, high]
    return {"value": float(np.mean(found)), "interval": interval, "n": len(found)}
