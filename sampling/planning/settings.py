"""The options of a request with the model's defaults filled in, and whether its clips fit into memory.

In: a model, options, and what is given. Out: `Settings`, or a RequestError.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from reelm.errors import RequestError
from reelm.media.limits import check_size
from reelm.sampling import best_of
from reelm.sampling.conditions.conditions import Conditions
from reelm.sampling.options import Options
from reelm.sampling.parts import ModelParts
from reelm.sampling.request import Settings
from reelm.tokenizer.device_memory import gibibytes

_STIRRED = (3.0, 0.25)  # times the guidance beyond 1 and min_p, where a motion score speaks


def size_of(model: ModelParts, options: Options) -> dict[str, Any]:
    """Return height, width and frame rate."""
    return {name: getattr(options, name) or getattr(model.defaults, name) for name in ("height", "width", "fps")}


def size_shown(model: ModelParts, options: Options) -> tuple[int, int]:
    """Return height and width of the frames that come back; RequestError where the model cannot enlarge them."""
    size = size_of(model, options)
    check_size("a clip", size["height"], size["width"])
    if options.upscale is None:
        return size["height"], size["width"]
    model.enlarger()
    return size["height"] * options.upscale, size["width"] * options.upscale


def settle(
    model: ModelParts, options: Options, conditions: Conditions, *, tells_pictures: bool, latent_overlap: int
) -> Settings:
    """Return the options with the model's defaults filled in.

    Args:
        model: gives the defaults.
        options: as a user gave them.
        conditions: what is given.
        tells_pictures: whether words or pictures say what the clips look like.
        latent_overlap: of windows, in latent frames.
    """
    defaults, scale = model.defaults, options.cfg_scale
    if scale is None and conditions.sound_in_prefix and not tells_pictures:
        scale = defaults.sound_cfg_scale
    # The likeliest codes stand still, whatever motion is asked for.
    guided, kept = (1.0, 1.0) if options.motion is None else _STIRRED
    scale = (1 + guided * (np.array(defaults.cfg_scale) - 1)).tolist() if scale is None else scale
    truncation = {name: getattr(defaults, name) if tells_pictures else 0.0 for name in ("min_p", "cfg_min_p")}
    truncation["min_p"] *= kept
    truncation |= {name: asked for name in truncation if (asked := getattr(options, name)) is not None}
    settled: dict[str, Any] = truncation | {
        "num_frames": conditions.num_frames,
        "cfg_scale": tuple(scale) if isinstance(scale, Sequence) else (scale,),
        "overlap": defaults.overlap if options.overlap is None else options.overlap,
        "latent_overlap": latent_overlap,
    }
    return Settings(**vars(options) | size_of(model, options) | settled)


def seeds_of(options: Options) -> list[int]:
    """Return the seed of each draw: `best_of` for each clip that is returned."""
    asked = range(options.seed, options.seed + options.num_samples)
    return [seed for each in asked for seed in best_of.seeds_of(each, options.best_of)]


def check_clips(clips: int, frames: int | None, height: int, width: int) -> None:
    """Check that the pictures of clips that are made together, and come back whole, fit into this machine's memory.

    Args:
        clips: made together.
        frames: of each; None for clips that come in pieces.
        height, width: of the frames, in pixels.

    Raises:
        RequestError: they do not fit.
    """
    needed, there = 2 * 3 * clips * (frames or 1) * height * width, _memory()  # pieces, and all of them joined
    if there is not None and needed > there:
        raise RequestError(
            f"{clips} clips of {frames} frames of {width}x{height} take {gibibytes(needed)}, this machine has "
            f"{gibibytes(there)} of memory; make fewer or shorter clips, or take them piece by piece (stream)"
        )


def _memory() -> int | None:
    """Return the bytes of this machine's memory; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
