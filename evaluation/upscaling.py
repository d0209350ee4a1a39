"""Score how well an upscaler enlarges clips that were shrunk (`reelm evaluate upscaling`).

In: a model with an upscaler, large clips. Out: dicts of plain JSON values. Each clip is shrunk, enlarged again, and
compared with the original; bicubic interpolation is the baseline. LPIPS is present if its weights are available.
"""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reelm.data import footage
from reelm.data.catalog import open_clips
from reelm.evaluation.features import lpips
from reelm.evaluation.scores.intervals import means
from reelm.evaluation.scores.pictures import flicker, psnr, ssim
from reelm.media.contact_sheet import contact_sheet
from reelm.progress import Progress, silent
from reelm.sampling.model import Model
from reelm.tokenizer.video.tokenizer import as_float

from .groups import check_at_least

_PSNR_CAP = 100.0  # dB, for clips that are restored exactly: JSON has no infinity
_SHEET_CLIPS, _SHEET_COLUMNS = 8, 4


def of_data_set(
    model: Model, name: str, *, split: str = "test", clips: int = 60, num_frames: int | None = None, **asked: Any
) -> dict[str, Any]:
    """Return the `figures` of the first clips of a data set's split."""
    source = open_clips(name, split, num_frames=num_frames, num_clips=clips)
    return figures(model, (source[i]["video"] for i in range(clips)), count=clips, **asked)


def of_footage(
    model: Model, folder: Path, *, side: int = 256, clips: int = 60, num_frames: int | None = None, **asked: Any
) -> dict[str, Any]:
    """Return the `figures` of about `clips` clips of a folder of videos: their middle square, of `side` pixels."""
    files = footage.square_clips(folder, clips=clips, frames=num_frames or 17, side=side)
    return figures(model, (clip for file in files for clip in file.clips), count=clips, **asked)


def figures(
    model: Model,
    large: Iterable[np.ndarray],
    *,
    count: int,
    scale: int = 2,
    sheet: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Return the scores of clips uint8 `[T, H, W, 3]` that are shrunk `scale` times and enlarged again.

    shrunk: of clips that are only shrunk rebuilt: of clips that the model's tokenizer also rebuilt after that, as in a
    generation; only if the small clips have
        the size that the model generates, or it generates any size

    Each holds means over clips: psnr, ssim, flicker and lpips, the same as `..._bicubic`, and `lpips_share`, the mean
    of LPIPS as a share of that of bicubic interpolation. `seconds_per_frame` is that of the upscaler, by the median
    clip.

    Args:
        model: has an upscaler.
        large: the clips.
        count: how many they are, for `progress`.
        scale: 2 or 4.
        sheet: a PNG to write: of some clips bicubic interpolation, the upscaler's, and the truth.
        progress: called with the clips done and `count`.
    """
    check_at_least(1, clips=count)
    upscaler, params = model.enlarger(), lpips.load() if lpips.available() else None
    scores: dict[str, list[dict[str, float]]] = {}
    rows, seconds, done = [], [], 0
    for truth in large:
        small = _resized(truth, truth.shape[1] // scale, truth.shape[2] // scale, "lanczos3")
        kinds = {"shrunk": small}
        if model.lm is None or small.shape[1:3] == (model.defaults.height, model.defaults.width):
            kinds["rebuilt"] = model.video_tokenizer.reconstruct(small)
        for kind, video in kinds.items():
            started = time.perf_counter()
            made = upscaler.upscale(video, scale)
            seconds.append((time.perf_counter() - started) / len(video))
            height, width = made.shape[1:3]
            plain, right = _resized(video, height, width, "cubic"), truth[:, :height, :width]
            found = _compared(params, right, made)
            found |= {f"{name}_bicubic": value for name, value in _compared(params, right, plain).items()}
            scores.setdefault(kind, []).append(found)
            if kind == [*kinds][-1] and len(rows) < 3 * _SHEET_CLIPS:
                rows += [plain, made, right]
        done += 1
        progress(done, count)
    if sheet is not None:
        contact_sheet(rows, sheet, columns=_SHEET_COLUMNS, scale=1)
    about = {"clips": done, "scale": scale, "seconds_per_frame": float(np.median(seconds))}
    return about | {kind: _shared(means(each)) for kind, each in scores.items()}


def _shared(scores: dict[str, float]) -> dict[str, float]:
    return scores | ({"lpips_share": scores["lpips"] / scores["lpips_bicubic"]} if "lpips" in scores else {})


def _compared(params: dict | None, truth: np.ndarray, made: np.ndarray) -> dict[str, float]:
    found = {"psnr": min(psnr(truth, made), _PSNR_CAP), "ssim": ssim(truth, made), "flicker": flicker(truth, made)}
    if params is not None:
        found["lpips"] = float(np.mean(_distance(params, as_float(truth), as_float(made))))
    return found


@jax.jit
def _distance(params: dict, truth: jax.Array, made: jax.Array) -> jax.Array:
    # Frame by frame, because a clip of large frames has many activations.
    return jax.lax.map(lambda pair: lpips.distance(params, pair[0][None], pair[1][None])[0], (truth, made))


def _resized(video: np.ndarray, height: int, width: int, method: str) -> np.ndarray:
    sized = jax.image.resize(jnp.asarray(video, jnp.float32), (len(video), height, width, 3), method)
    return np.asarray(jnp.clip(jnp.round(sized), 0, 255)).astype(np.uint8)
