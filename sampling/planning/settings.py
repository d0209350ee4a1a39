"""The options of a request with the model's defaults filled in, and whether its clips fit into memory.

In: a model, options, and what is given. Out: `Settings`, or a RequestError.
"""

import os
from typing import Any

from reelm.errors import RequestError
from reelm.media.limits import check_size
from reelm.sampling import best_of
from reelm.sampling.conditions.conditions import Conditions
from reelm.sampling.options import Options, schedule
from reelm.sampling.parts import ModelParts
from reelm.sampling.request import Settings
from reelm.tokenizer.device_memory import gibibytes


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
    model: ModelParts, options: Options, conditions: Conditions, *, has_words: bool, latent_overlap: int
) -> Settings:
    """Return the options with the model's defaults filled in.

    Args:
        model: gives the defaults.
        options: as a user gave them.
        conditions: what is given.
        has_words: whether prompts have any.
        latent_overlap: of windows, in latent frames.
    """
    defaults = model.defaults
    sound_alone = conditions.sound_in_prefix and not has_words and not conditions.shows
    moves = options.motion is not None
    scale = _first(
        options.cfg_scale,
        defaults.sound_cfg_scale if sound_alone else None,
        defaults.motion_cfg_scale if moves else None,
        defaults.cfg_scale,
    )
    min_p = _first(options.min_p, defaults.motion_min_p if moves else None, defaults.min_p)
    settled: dict[str, Any] = {
        "num_frames": conditions.num_frames,
        "cfg_scale": schedule(scale),
        "min_p": schedule(min_p),
        "cfg_min_p": _first(options.cfg_min_p, defaults.cfg_min_p),
        "overlap": _first(options.overlap, defaults.overlap),
        "latent_overlap": latent_overlap,
    }
    return Settings(**vars(options) | size_of(model, options) | settled)


def _first(*values: Any) -> Any:
    """Return the first value that is not None: what is asked goes before the model's defaults."""
    return next(value for value in values if value is not None)


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
