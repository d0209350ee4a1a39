"""Open-MAGVIT2's video tokenizer, from its published tensors: which sizes they are of, and what each is called.

In: names and shapes. Out: an `OpenMagvit2Config`, or a RequestError that says what the file is instead. The names are
those of TencentARC/SEED-Voken.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from reelm.errors import RequestError
from reelm.tokenizer.published.open_magvit2_config import OpenMagvit2Config

from .published import Kind, Shape, Wanted, numbers, shape_in_torch, size
from .settings import check_sizes

_PLACES = (
    (r"block_(\d+)_(\d+)", "{side}.{0}.block.{1}"),
    (r"middle_(\d+)", "mid_block.{0}"),
    (r"half_(\d+)", "down.{0}.downsample"),
    (r"double_(\d+)/conv", "up.{0}.upsample.conv1"),
    (r"adaptive_(\d+)", "adaptive.{0}"),
    *((rf"({name})", "{0}") for name in ("conv_in", "conv_out", "norm_out")),
)
_LAYERS = {"conv_1": "conv1", "conv_2": "conv2", "skip": "nin_shortcut", "norm_1": "norm1", "norm_2": "norm2",
           "scale": "gamma", "shift": "beta"}  # fmt: skip
_WIDTHS = {4: False, 8: True}  # channels that doubling makes of one: whether it doubles time


def is_open_magvit2(shapes: Mapping[str, Shape]) -> bool:
    """Return whether tensors of these names are an Open-MAGVIT2, of video or of images."""
    return any(re.match(r"decoder\.adaptive\.\d+\.gamma\.", name) for name in shapes)


def config_of(path: Path, shapes: Mapping[str, Shape], beside: Path | None) -> OpenMagvit2Config:
    """Return the sizes of the Open-MAGVIT2 in a file; RequestError when it codes images."""
    if "encoder.conv_in.conv_1.weight" not in shapes and "encoder.conv_in.weight" in shapes:
        raise RequestError(f"{path} is an Open-MAGVIT2 of images; that of video is read")
    stages = 1 + max(numbers(shapes, r"encoder\.down\.(\d+)\.block\."), default=-1)
    halves = []
    for stage in range(1, stages):
        name = f"decoder.up.{stage}.upsample.conv1.conv_1.weight"
        made, read = (size(path, shapes, name, axis) for axis in range(2))
        if made not in (4 * read, 8 * read):
            raise RequestError(f"{path} makes {made} channels of {read} in {name}; doubling makes 4 or 8 times as many")
        halves += [stage - 1] if _WIDTHS[made // read] else []
    config = OpenMagvit2Config(
        bits=size(path, shapes, "encoder.conv_out.conv_1.weight", 0),
        channels=tuple(size(path, shapes, f"encoder.down.{i}.block.0.conv1.conv_1.weight", 0) for i in range(stages)),
        blocks=len(numbers(shapes, r"encoder\.down\.0\.block\.(\d+)\.")),
        halves=tuple(halves),
    )
    if beside is not None:
        first, *_ = config.channels
        sizes = {"z_channels": config.bits, "ch": first, "num_res_blocks": config.blocks}
        check_sizes(beside, {**sizes, "ch_mult": [width // first for width in config.channels]})
    return config


def wanted(shapes: Mapping[str, Shape]) -> dict[str, Wanted]:
    """Return the published tensor of each parameter, whose shapes by name are those of the net."""
    return {name: _wanted(name, shape) for name, shape in shapes.items()}


def _wanted(name: str, shape: Shape) -> Wanted:
    part, _, rest = name.partition("/")
    place, inner = "", ""
    for pattern, form in _PLACES:
        if found := re.match(f"{pattern}(?:/|$)", rest):
            place = form.format(*found.groups(), side="down" if part == "encoder" else "up")
            inner = rest[found.end() :]
            break
    *layers, leaf = inner.split("/")
    path = ".".join([part, place, *(_LAYERS[layer] for layer in layers)])
    kind = "bias" if leaf == "bias" else "weight"
    if len(shape) == 2 or path.endswith(("gamma", "beta")):
        return Wanted(f"{path}.{kind}", shape_in_torch(shape, ()) if leaf == "kernel" else shape)
    if "norm" in path.rpartition(".")[2]:
        return Wanted(f"{path}.{kind}", shape)
    return Wanted(f"{path}.conv_1.{kind}", shape_in_torch(shape, (0, 1, 2)) if leaf == "kernel" else shape)


OPEN_MAGVIT2 = Kind(
    name="Open-MAGVIT2 video",
    source="Open-MAGVIT2 (github.com/TencentARC/SEED-Voken, arXiv 2409.04410)",
    licence="Apache-2.0",
    aside=("loss.", "model_ema."),
    weights="ema",
    matches=is_open_magvit2,
    config_of=config_of,
    wanted=wanted,
)
