"""Score how well a tokenizer rebuilds clips, and draw a contact sheet of them.

In: a video tokenizer, and the name of a data set or a folder of footage. Out: dicts of plain JSON values, which
`evaluate.table` prints; a contact sheet. Figures that need LPIPS are present if its weights are available.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import jax
import numpy as np

from reelm.data import footage
from reelm.data.catalog import open_clips
from reelm.data.moving_digits import scenes as moving_digits
from reelm.errors import RequestError
from reelm.evaluation.digits.generation import judged
from reelm.evaluation.features import i3d, lpips
from reelm.evaluation.scores import h264
from reelm.evaluation.scores.frechet import frechet_distance
from reelm.evaluation.scores.pictures import flicker, psnr, ssim
from reelm.media.contact_sheet import contact_sheet
from reelm.progress import Progress, silent
from reelm.tokenizer.video.tokenizer import VideoTokenizer, as_float

from .groups import batches, check_at_least

_PSNR_CAP = 100.0  # dB, for clips rebuilt exactly: JSON has no infinity
_SHEET_CLIPS, _SHEET_COLUMNS = 6, 5


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """A clip, its codes and its reconstruction.

    Attributes:
        original, rebuilt: uint8 `[T, H, W, 3]`.
        ids: its codes `[t, h, w]`.
        seconds: its share of the time to encode and decode its batch.
        scores: psnr, ssim, flicker, and lpips if its weights are available.
        features: of original and rebuilt frames, float `[T, 512]` each, if the weights of LPIPS are available.
    """

    original: np.ndarray
    rebuilt: np.ndarray
    ids: np.ndarray
    seconds: float
    scores: dict[str, float]
    features: tuple[np.ndarray, np.ndarray] | None


def rebuild(
    tokenizer: VideoTokenizer, clips: Sequence[np.ndarray], batch: int, params: dict | None
) -> Iterator[Rebuilt]:
    """Rebuild clips of one shape, `batch` at a time, and score each; `params` are those of LPIPS."""
    for filled, count in batches(clips, batch):
        originals = np.stack(filled)
        started = time.perf_counter()
        ids = tokenizer.encode(originals)
        videos = tokenizer.decode(ids)
        seconds = (time.perf_counter() - started) / batch
        for original, rebuilt, codes in list(zip(originals, videos, ids, strict=True))[:count]:
            scores, features = _compared(params, original, rebuilt)
            scores["flicker"] = flicker(original, rebuilt)
            yield Rebuilt(
                original=original, rebuilt=rebuilt, ids=codes, seconds=seconds, scores=scores, features=features
            )


def beside_h264(clip: Rebuilt, bits: int, params: dict | None) -> Rebuilt:
    """Return the clip with the scores of H.264 at the same payload added; its codes have `bits` bits each."""
    scores, _ = _compared(params, clip.original, h264.at_payload(clip.original, bits * clip.ids.size))
    return replace(clip, scores=clip.scores | {f"{name}_h264": value for name, value in scores.items()})


def _compared(params: dict | None, original: np.ndarray, rebuilt: np.ndarray):
    """Return the scores of a clip and the features of both clips; LPIPS and features need `params`."""
    scores, features = {"psnr": min(psnr(original, rebuilt), _PSNR_CAP), "ssim": ssim(original, rebuilt)}, None
    if params is not None:
        distances, *both = (np.asarray(part) for part in _look(params, as_float(original), as_float(rebuilt)))
        scores["lpips"], features = float(distances.mean()), (both[0], both[1])
    return scores, features


@jax.jit
def _look(params: dict, original: jax.Array, rebuilt: jax.Array):
    """Return LPIPS of each frame, and the mean of its deepest activations for each original and rebuilt frame."""
    deepest = [lpips.features(params, video)[-1].mean(axis=(1, 2)) for video in (original, rebuilt)]
    return lpips.distance(params, original, rebuilt), *deepest


def figures(clips: Sequence[Rebuilt], bits: int) -> dict[str, Any]:
    """Return the scores of clips that were rebuilt from codes of `bits` bits.

    clips, frames: number of clips, and frames of each
    psnr, ssim, lpips, flicker: means over clips, in dB, in [-1, 1], from 0, and as in `scores.flicker`
    codes_used, bit_balance: distinct codes; see `bit_balance`
    bits_per_pixel: of the codes without compression
    frames_per_second: speed of encoding and decoding in the median batch, which excludes compiling from 3 batches on
    """
    ids, frames = np.stack([clip.ids for clip in clips]), len(clips[0].original)
    return {
        "clips": len(clips),
        "frames": frames,
        **{name: float(np.mean([clip.scores[name] for clip in clips])) for name in clips[0].scores},
        "codes_used": len(np.unique(ids)),
        "bit_balance": bit_balance(ids.ravel(), bits),
        "bits_per_pixel": bits * ids[0].size / clips[0].original[..., 0].size,
        "frames_per_second": float(frames / np.median([clip.seconds for clip in clips])),
    }


def of_footage(
    tokenizer: VideoTokenizer,
    folder: Path,
    *,
    clips: int = 200,
    batch: int = 1,
    num_frames: int = 17,
    side: int = 128,
    i3d_params: dict | None = None,
    sheet: Path | None = None,
    progress: Progress = silent,
) -> dict[str, dict[str, Any]]:
    """Return the `figures` of all clips of a folder under "all", then those of each file.

    Names that end in `_h264` are scores of libx264 at as many bits as the codes have; see `h264.at_payload`.

    "all" also has `frechet_vgg16` if the weights of LPIPS are available: the Frechet distance between original and
    rebuilt frames on the deepest activations of its VGG16. It is neither FID nor FVD, and can only be compared with

    itself. With the weights of I3D there is also `fvd`, the Frechet distance between original and rebuilt clips on
    `i3d.features`. It is too large for few clips, such as fewer than the 400 features, and depends on their length:
    only figures for the same number of clips (`clips`) and of frames can be compared.

    Args:
        clips: approximate total number, spread evenly, at least one of each file; at least two for `fvd`.
        num_frames: of each clip; at least 9 for `fvd`.
        side: of the square; frames are resized so that the short side has this length, then cropped in the middle.
        i3d_params: weights from `i3d.load`.
        sheet: a PNG to write: original, rebuilt, and four times their difference.
    """
    check_at_least(1, clips=clips, batch=batch, num_frames=num_frames)
    if i3d_params is not None and num_frames < i3d.LEAST_FRAMES:
        raise RequestError(f"FVD needs clips of {i3d.LEAST_FRAMES} frames or more, not of {num_frames}")
    bits, paths = tokenizer.config.bits, footage.files(folder)
    tokenizer.config.latent_shape(num_frames, side, side)
    params = lpips.load() if lpips.available() else None
    rebuilt: dict[str, list[Rebuilt]] = {}
    seen: list[np.ndarray] = []  # features by I3D: [original or rebuilt, 400] of each clip
    for file in footage.square_clips(folder, clips=clips, frames=num_frames, side=side):
        made = rebuild(tokenizer, list(file.clips), batch, params)
        rebuilt[file.name] = [beside_h264(clip, bits, params) for clip in made]
        if i3d_params is not None:
            pairs = (np.stack([clip.original, clip.rebuilt]) for clip in rebuilt[file.name])
            seen += [np.asarray(i3d.features(i3d_params, pair)) for pair in pairs]
        progress(len(rebuilt), len(paths))
    everything = [clip for of_file in rebuilt.values() for clip in of_file]
    total = figures(everything, bits)
    features = [clip.features for clip in everything if clip.features is not None]
    if features:
        total["frechet_vgg16"] = frechet_distance(*(np.concatenate(part) for part in zip(*features, strict=True)))
    if i3d_params is not None:
        if len(seen) < 2:
            raise RequestError("FVD needs at least two clips; ask for more, or give longer films")
        total["fvd"] = frechet_distance(*np.stack(seen, axis=1))
    if sheet is not None:
        spread = np.linspace(0, len(everything) - 1, min(_SHEET_CLIPS, len(everything))).round().astype(int)
        comparison_sheet([everything[i] for i in spread], sheet)
    return {"all": total} | {name: figures(of_file, bits) for name, of_file in rebuilt.items()}


def comparison_sheet(clips: Sequence[Rebuilt], path: Path) -> None:
    """Write a PNG with three rows for each clip: original, rebuilt, and four times their difference."""
    rows = []
    for clip in clips:
        difference = np.abs(clip.original.astype(int) - clip.rebuilt)
        rows += [clip.original, clip.rebuilt, np.minimum(4 * difference, 255).astype(np.uint8)]
    contact_sheet(rows, path, columns=_SHEET_COLUMNS, scale=1)


def of_data_set(
    tokenizer: VideoTokenizer,
    name: str,
    *,
    split: str = "test",
    clips: int = 200,
    batch: int = 8,
    num_frames: int = 17,
    sheet: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Return the `figures` of the first `clips` clips of a split, with codes counted at active positions, and:

    read, read_interval, read_originals: fraction of rebuilt clips whose digits, colours and directions the judge reads
        correctly, its 95% Wilson bounds, and that fraction of the originals (moving_digits only)
    active: fraction of positions that are active: their pixels are not all black in the original
    codes_used_elsewhere: distinct codes at all other positions
    """
    config = tokenizer.config
    source = open_clips(name, split, num_frames=num_frames, num_clips=clips)
    rebuilt: list[Rebuilt] = []
    originals = [source[i]["video"] for i in range(clips)]
    params = lpips.load() if lpips.available() else None
    for clip in rebuild(tokenizer, originals, min(batch, clips), params):
        rebuilt.append(clip)
        progress(len(rebuilt), clips)
    result = figures(rebuilt, config.bits)
    if name == "moving_digits":
        scenes = [moving_digits.example(cast(moving_digits.Split, split), i, num_frames)["scene"] for i in range(clips)]
        shares = judged([clip.rebuilt for clip in rebuilt], scenes)
        result |= {"read": shares["all_right"], "read_interval": shares["interval"]}
        result |= {"read_originals": judged(originals, scenes)["all_right"]}
    if sheet is not None:
        comparison_sheet(rebuilt[:_SHEET_CLIPS], sheet)
    ids = np.stack([clip.ids for clip in rebuilt])
    active = active_positions(np.stack(originals), config.time_stride, config.space_stride)
    return result | {
        "active": float(active.mean()),
        "codes_used": len(np.unique(ids[active])),
        "codes_used_elsewhere": len(np.unique(ids[~active])),
        "bit_balance": bit_balance(ids[active], config.bits),
    }


def active_positions(video: np.ndarray, time_stride: int, space_stride: int) -> np.ndarray:
    """Return which codes represent content: bool [B, t, h, w], False where all pixels of a position are black.

    video: uint8 [B,T,H,W,3] with T = 1 + k strides in time; the first frame is a separate latent frame.
    """
    batch, frames, height, width, _ = video.shape
    ink = np.any(video, axis=-1)
    ink = ink.reshape(batch, frames, height // space_stride, space_stride, width // space_stride, space_stride)
    ink = np.any(ink, axis=(3, 5))
    later = ink[:, 1:].reshape(batch, (frames - 1) // time_stride, time_stride, *ink.shape[2:])
    return np.concatenate([ink[:, :1], np.any(later, axis=2)], axis=1)


def bit_balance(ids: np.ndarray, bits: int) -> list[float]:
    """Return twice the frequency of the rarer value of each bit of codes [n]: [least, mean] over the bits."""
    if len(ids) == 0:
        return [0.0, 0.0]
    ones = np.array([np.mean(ids >> bit & 1) for bit in range(bits)])
    balance = 2 * np.minimum(ones, 1 - ones)
    return [float(balance.min()), float(balance.mean())]
