"""Fill the model's defaults into the options of a request, and check that its clips fit into memory.

In: a model, and the inputs of a request. Out: `Settings`, or a RequestError.
"""

import os
from typing import Any

from reelm.errors import RequestError
from reelm.lm.specials import LARGEST
from reelm.media.limits import check_size
from reelm.sampling import best_of
from reelm.sampling.options import Defaults, Options, schedule
from reelm.sampling.parts import ModelParts
from reelm.sampling.request import Inputs, Settings
from reelm.tokenizer.device_memory import gibibytes


def settle(defaults: Defaults, inputs: Inputs, *, latent_overlap: int) -> Settings:
    """Return the options of a request with the model's defaults filled in.

    Args:
        defaults: of the model.
        inputs: of the request.
        latent_overlap: of windows, in latent frames.
    """
    options, conditions = inputs.options, inputs.conditions
    only_sound = conditions.sound_in_prefix and not inputs.has_words and not conditions.shows
    moves = options.motion is not None
    scale = _first(
        options.cfg_scale,
        defaults.sound_cfg_scale if only_sound else None,
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
    return Settings(**vars(options) | settled)


def _first(*values: Any) -> Any:
    """Return the first value that is not None: a user's option goes before the model's defaults."""
    return next(value for value in values if value is not None)


def seeds_of(options: Options) -> list[int]:
    """Return the seed of each draw: `best_of` for each clip that is returned."""
    asked = range(options.seed, options.seed + options.num_samples)
    return [seed for each in asked for seed in best_of.seeds_of(each, options.best_of)]


def check_clips(model: ModelParts, options: Options, prompts: int, *, endless: bool) -> None:
    """Check that the frames of all clips of a call fit into this machine's memory.

    Args:
        model: the model.
        options: with height and width.
        prompts: number of prompts.
        endless: whether the clips come in pieces, of which only one must fit.

    Raises:
        RequestError: they do not fit, or the model cannot enlarge them.
    """
    assert options.height is not None and options.width is not None
    check_size("a clip", options.height, options.width)
    stride = model.video_tokenizer.config.space_stride
    for name, side in (("height", options.height), ("width", options.width)):
        if side > LARGEST * stride:
            raise RequestError(f"{name} is {side}; clips of {model.name!r} have at most {LARGEST * stride} pixels")
    if options.upscale is not None:
        model.enlarger()
    height, width = (side * (options.upscale or 1) for side in (options.height, options.width))
    clips = prompts * options.num_samples * options.best_of
    frames = None if endless else options.num_frames or model.defaults.num_frames
    needed, memory = 2 * 3 * clips * (frames or 1) * height * width, _memory()  # pieces, and all of them joined
    if memory is not None and needed > memory:
        raise RequestError(
            f"{clips} clips of {frames} frames of {width}x{height} take {gibibytes(needed)}, this machine has "
            f"{gibibytes(memory)} of memory; make fewer or shorter clips, or take them piece by piece (stream)"
        )


def _memory() -> int | None:
    """Return the bytes of this machine's memory; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
