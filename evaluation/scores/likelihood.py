"""Score the likelihood of held-out clips under a language model.

In: a model, and any source of clips. Out: a dict of plain JSON values. Nothing is random, so two runs agree.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from reelm.data.clips import CaptionedClip, ClipSource
from reelm.errors import RequestError
from reelm.lm.likelihood import cross_entropy
from reelm.lm.prefix import ClipCodes
from reelm.lm.prompts import prompt_prefix, truncated
from reelm.progress import Progress, silent
from reelm.sampling.model import Model
from reelm.tokenizer.codes import to_device

_MOVED = 8  # of 255; smaller changes are noise of a camera or a codec, not motion


def likelihood(
    model: Model, source: ClipSource, *, clips: int = 200, batch: int = 8, progress: Progress = silent
) -> dict[str, Any]:
    """Return the nats of the codes of the first clips, with and without their first caption:

        clips, frames: number of clips, and the most frames of each
        nats_per_code: mean over all codes of the pictures, given the caption
        nats_per_code_error: standard error of that over clips
        nats_first_frame, nats_later: the same for the first latent frame, and for all later ones
        still: fraction of the codes of later latent frames at positions without motion since the frame before
        still_nats: the nats of these, as a fraction of the nats of all later latent frames
        nats_without_words: mean over all codes without the caption
        bits_per_pixel: bits that all codes of a clip cost, given the caption, over its frames times height times width

    Figures of later latent frames are left out if there are none. Clips and captions that are too long for the model
    are cut off at their end. Keys of a world and sound are not given. Only nats of models with the same tokenizer can
    be compared.

    Args:
        source: the clips, from `catalog.open_clips` or as `ArrayClips`.
        batch: clips in one forward pass.
        progress: called with clips done and in all.

    Raises:
        RequestError: the model has no language model, or the shape of the clips does not fit its tokenizer.
    """
    lm, count = model.language_model(), min(clips, len(source))
    if count < 1:
        raise RequestError(f"there are no clips to score: clips is {clips}, and the source holds {len(source)}")
    stride = model.video_tokenizer.config.time_stride
    given, alone, still, bits = [], [], [], []
    frames = 0
    for group in _alike(source, count, batch):
        video = np.stack([clip["video"] for clip in group])
        # Cut to a length that the tokenizer takes and the model reads.
        length = min(1 + (video.shape[1] - 1) // stride * stride, 1 + (lm.config.frames - 1) * stride)
        frames = max(frames, length)
        ids = model.video_tokenizer.encode(_filled(video[:, :length], batch))
        captions = [truncated(lm.config, lm.text, clip["captions"][0]) for clip in group]
        for words, found in ((captions, given), (["" for _ in captions], alone)):
            found += list(_nats(model, ids, words, group[0]["fps"])[: len(group)])
        still += [_still(each[:length], stride, ids.shape[2:]) for each in video]
        pixels = video[0, :length, ..., 0].size
        bits += [nats.sum() / math.log(2) / pixels for nats in given[-len(group) :]]
        progress(len(given), count)
    means = np.array([nats.mean() for nats in given])
    return {
        "clips": count,
        "frames": frames,
        "nats_per_code": float(np.concatenate([nats.ravel() for nats in given]).mean()),
        "nats_per_code_error": float(means.std(ddof=1) / math.sqrt(count)) if count > 1 else None,
        "nats_first_frame": float(np.concatenate([nats[0].ravel() for nats in given]).mean()),
        **_of_later_frames(given, still),
        "nats_without_words": float(np.concatenate([nats.ravel() for nats in alone]).mean()),
        "bits_per_pixel": float(np.mean(bits)),
    }


def _of_later_frames(nats: Sequence[np.ndarray], still: Sequence[np.ndarray]) -> dict[str, float]:
    """Return the figures of all latent frames but the first, from nats `[t, h, w]` and still positions of clips."""
    later = np.concatenate([each[1:].ravel() for each in nats])
    stands = np.concatenate([each.ravel() for each in still])
    if not later.size:
        return {}
    cost = float(later[stands].sum() / later.sum())
    return {"nats_later": float(later.mean()), "still": float(stands.mean()), "still_nats": cost}


def _alike(source: ClipSource, count: int, batch: int) -> Iterator[list[CaptionedClip]]:
    """Yield the first clips in order, up to `batch` of one shape and rate at a time."""
    group: list[CaptionedClip] = []
    for clip in (source[index] for index in range(count)):
        new = bool(group) and (clip["video"].shape, clip["fps"]) != (group[0]["video"].shape, group[0]["fps"])
        if new or len(group) == batch:
            yield group
            group = []
        group.append(clip)
    if group:
        yield group


def _filled(rows: np.ndarray, batch: int) -> np.ndarray:
    """Repeat the last row up to `batch` rows, so that all groups have one shape for the compiler."""
    return np.concatenate([rows, np.repeat(rows[-1:], batch - len(rows), axis=0)])


def _nats(model: Model, ids: np.ndarray, captions: Sequence[str], fps: float) -> np.ndarray:
    """Return the nats of each code `[B, t, h, w]` given captions; the last caption is also used for missing ones."""
    lm = model.language_model()
    rows, latent_frames = len(ids), ids.shape[1]
    words = [*captions, *[captions[-1]] * (rows - len(captions))]
    prefix = prompt_prefix(lm.config, lm.text, words, rows=ids.shape[2], columns=ids.shape[3], fps=fps)
    codes = ClipCodes(
        video=to_device(ids, lm.config.bits),
        sound=np.repeat(lm.config.no_track(latent_frames)[None], rows, axis=0),
        control=np.zeros((rows, latent_frames, 1, 1, lm.config.control), np.float32) if lm.config.control else None,
    )
    return np.asarray(_cross_entropy(lm.config, lm.params, prefix, codes).video)


def _still(video: np.ndarray, stride: int, grid: tuple[int, int]) -> np.ndarray:
    """Return where nothing has moved since the frame before, bool `[t - 1, h, w]`, in a clip uint8 `[T, H, W, 3]`."""
    changes = np.abs(np.diff(video.astype(np.int16), axis=0)).max(axis=-1)
    (frames, height, width), (rows, columns) = changes.shape, grid
    changes = changes.reshape(frames // stride, stride, rows, height // rows, columns, width // columns)
    return changes.max(axis=(1, 3, 5)) <= _MOVED


_cross_entropy = jax.jit(cross_entropy, static_argnums=0)
