"""Score a model on tasks beyond text-to-video: continuation, key frames, inpainting and long clips.

Comes in: a `Model` trained on `moving_digits` for the task. Goes out: a dict of plain JSON values for each task. Clips
of one digit in handwriting never trained on are given to it in part, and the judge, who sees pixels alone, compares
what it makes with the clip as it really goes on.
"""

from typing import Any

import numpy as np

from reelm.data.moving_digits import scenes as moving_digits
from reelm.data.moving_digits.scenes import SIZE
from reelm.evaluation.judges.digits import read
from reelm.evaluation.scores.intervals import means
from reelm.progress import Progress, silent
from reelm.sampling.model import Model

from .generation import prompts

_ON_COURSE = 2.0  # pixels that a digit's centre may be off its course on average
_HOLE = 32  # height and width of what is cut out, in pixels


def continuation(model: Model, *, clips: int = 200, seed: int = 0, progress: Progress = silent) -> dict[str, Any]:
    """Score continuations: 9 real frames are given, 16 are made, without words.

    digit, colour, direction: shares of clips in which the judge reads the made frames as the real ones
    on_course: share in which the digit's centre is within 2 pixels of its real course, bounces included, on average
    """
    shown, num_frames = 9, 25
    rows = []
    for i, (scene, video, _) in enumerate(_clips(clips, num_frames, seed)):
        made = model.generate(video=video[:shown], num_frames=num_frames, seed=seed + i).video[shown:]
        ours, real = read(made)[0], read(video[shown:])[0]
        mover = scene.movers[0]
        rows.append(
            {
                "digit": ours.digit == mover.digit,
                "colour": ours.colour == mover.colour,
                "direction": ours.direction == real.direction,
                "on_course": np.linalg.norm(ours.centres - real.centres, axis=-1).mean() <= _ON_COURSE,
            }
        )
        progress(i + 1, clips)
    return {"clips": clips, **means(rows)}


def key_frames(
    model: Model, *, clips: int = 200, seed: int = 0, best_of: int = 1, progress: Progress = silent
) -> dict[str, Any]:
    """Score clips of 17 frames from their first and last frame, with the caption and without it.

    first_is_rebuilt: whether every first frame is the tokenizer's own reconstruction
    last: share of last frames that the judge reads as the given digit and colour
    last_off: mean distance of the digit's centre in the last frame from that in the given one, in pixels
    last_empty: share of last frames without a digit, of which there is no distance
    middle: share of clips whose frames 4 to 12 the judge reads as that digit and colour
    """
    num_frames = 17
    rows: dict[str, list[dict[str, Any]]] = {"words": [], "no_words": []}
    for i, (scene, video, words) in enumerate(_clips(clips, num_frames, seed)):
        what = scene.movers[0].digit, scene.movers[0].colour
        rebuilt, real = model.video_tokenizer.reconstruct(video[:1]), read(video[-1:])[0]
        asked: dict[str, Any] = {"image": video[0], "last_image": video[-1], "num_frames": num_frames}
        for kind, prompt in (("words", words), ("no_words", None)):
            clip: Any = model.generate(prompt, **asked, seed=seed + i, best_of=best_of)
            ours, middle = read(clip.video[-1:])[0], read(clip.video[4:13])[0]
            off = np.linalg.norm(ours.centres - real.centres)
            rows[kind].append(
                {
                    "first_is_rebuilt": np.array_equal(clip.video[:1], rebuilt),
                    "last": (ours.digit, ours.colour) == what,
                    "last_off": None if np.isnan(off) else off,
                    "last_empty": np.isnan(off),
                    "middle": middle.what[:2] == what,
                }
            )
        progress(i + 1, clips)
    scores = {kind: {"clips": clips, **means(of_kind)} for kind, of_kind in rows.items()}
    return {kind: of_kind | {"first_is_rebuilt": of_kind["first_is_rebuilt"] == 1} for kind, of_kind in scores.items()}


def inpainting(
    model: Model, *, clips: int = 200, seed: int = 0, best_of: int = 1, progress: Progress = silent
) -> dict[str, Any]:
    """Score inpainting of a hole of 32x32 pixels, placed where the digit is in the middle of the clip.

    digit: share of clips that the judge reads as that digit
    edge, edge_real: mean absolute difference of neighbouring pixels across the hole's edge, made and in the real clip
    """
    num_frames = 17
    rows = []
    for i, (scene, video, words) in enumerate(_clips(clips, num_frames, seed)):
        middle = np.nan_to_num(read(video)[0].centres[num_frames // 2], nan=SIZE / 2)
        y, x = np.clip(np.round(middle - _HOLE / 2).astype(int), 1, SIZE - _HOLE - 1)
        mask = np.zeros((SIZE, SIZE), bool)
        mask[y : y + _HOLE, x : x + _HOLE] = True
        made = model.generate(words, video=video, mask=mask, seed=seed + i, best_of=best_of).video
        right = read(made)[0].digit == scene.movers[0].digit
        rows.append({"digit": right, "edge": _across(made, mask), "edge_real": _across(video, mask)})
        progress(i + 1, clips)
    return {"clips": clips, **means(rows)}


def minute(
    model: Model, *, clips: int = 20, seed: int = 0, best_of: int = 1, progress: Progress = silent
) -> dict[str, Any]:
    """Score clips of 480 frames from words, made with a sliding window.

    end: share of clips that the judge reads in the last second as the digit and colour that were asked
    seconds: share of all seconds that are read so
    trend: change of the picture's mean brightness over the minute, a regression's, as a share of the mean
    trend_error: its standard error over the clips
    joins: mean frame difference where one window follows another, as a ratio to that where other latent frames begin
    begins: that of all frames which begin a latent frame, joins among them, as a ratio to that of all frames
    """
    num_frames, second = 480, 8
    scenes, words = prompts("trained", clips, seed=seed)
    made = [clip.video for clip in model.generate(words, num_frames=num_frames, seed=seed, best_of=best_of)]
    read_right, trends, changes = [], [], []
    begins, joins = np.arange(1, num_frames, model.video_tokenizer.config.time_stride), _joins(model, num_frames)
    # A tokenizer's own rebuilt clips change more where a latent frame begins, so joins are held against those.
    others = np.setdiff1d(begins, joins)
    for i, (scene, video) in enumerate(zip(scenes, made, strict=True)):
        what = scene.movers[0].digit, scene.movers[0].colour
        read_right.append([read(video[n : n + second])[0].what[:2] == what for n in range(0, num_frames, second)])
        brightness = video.mean(axis=(1, 2, 3), dtype=float)
        slope = np.polyfit(np.linspace(0, 1, num_frames), brightness, 1)[0]
        trends.append(slope / max(brightness.mean(), 1e-6))
        change = np.abs(np.diff(video.astype(np.int16), axis=0)).mean(axis=(1, 2, 3))
        parts = change[joins - 1], change[others - 1], change[begins - 1], change
        changes.append([part.mean() for part in parts])
        progress(i + 1, clips)
    shares, (at_joins, at_others, at_begins, anywhere) = np.array(read_right), np.mean(changes, axis=0)
    return {
        "clips": clips,
        "end": float(shares[:, -1].mean()),
        "seconds": float(shares.mean()),
        "trend": float(np.mean(trends)),
        "trend_error": float(np.std(trends) / np.sqrt(clips)),
        "joins": float(at_joins / at_others),
        "begins": float(at_begins / anywhere),
    }


def _clips(count: int, num_frames: int, seed: int):
    """Yield (scene, video, caption) of `count` test clips of one digit."""
    scenes, captions = prompts("trained", count, seed=seed)
    digits = moving_digits.digits_for("test")
    for scene, caption in zip(scenes, captions, strict=True):
        yield scene, moving_digits.render(scene, digits, num_frames), caption


def _joins(model: Model, num_frames: int) -> np.ndarray:
    """Return the numbers of the first new frame of each window."""
    lm, stride = model.language_model(), model.video_tokenizer.config.time_stride
    overlap = round(model.defaults.fps / stride)
    starts = np.arange(lm.config.frames, 1 + (num_frames - 1) // stride, lm.config.frames - overlap)
    return 1 + stride * (starts - 1)


def _across(video: np.ndarray, mask: np.ndarray) -> float:
    """Return the mean absolute difference of neighbouring pixels across the edge of the mask `[H, W]`."""
    signed = video.astype(np.int16)
    down, right = mask[1:] != mask[:-1], mask[:, 1:] != mask[:, :-1]
    vertical = np.abs(signed[:, 1:] - signed[:, :-1])[:, down]
    horizontal = np.abs(signed[:, :, 1:] - signed[:, :, :-1])[:, right]
    return float(np.concatenate([vertical.reshape(-1), horizontal.reshape(-1)]).mean())
