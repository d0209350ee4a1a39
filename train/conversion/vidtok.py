"""VidTok, from its published tensors: which sizes they are of, and what each is called.

In: names and shapes. Out: a `VidTokConfig`, or a RequestError that says what the file is instead. The names are those
of microsoft/VidTok.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from reelm.errors import RequestError
from reelm.tokenizer.finite_scalars import check_levels
from reelm.tokenizer.published.vidtok_config import VidTokConfig

from .published import Kind, Shape, Wanted, numbers, shape_in_torch, size
from .settings import of_name, read_settings

_LEVELS = 8  # of each latent in every file that was published
_PARTS = {
    **{"conv_in": "conv_in", "conv_out": "conv_out", "norm_out": "norm_out"},
    **{"middle_1": "mid.block_1", "middle_2": "mid.block_2", "attention": "mid.attn_1"},
}
_STAGES = (
    (r"space_(\d+)_(\d+)", "{side}.{0}.block.{1}"),
    (r"time_(\d+)_(\d+)", "{side}_temporal.{0}.block.{1}"),
    (r"half_(\d+)", "{side}.{0}.downsample.conv"),
    (r"half_time_(\d+)", "{side}_temporal.{0}.downsample"),
    (r"double_(\d+)/conv", "{side}.{0}.upsample.conv"),
    (r"double_time_(\d+)", "{side}_temporal.{0}.upsample"),
)
_LAYERS = {"conv_1": "conv1", "conv_2": "conv2", "skip": "nin_shortcut", "norm_1": "norm1", "norm_2": "norm2",
           "q": "q", "k": "k", "v": "v", "out": "proj_out", "norm": "norm", "conv": "conv"}  # fmt: skip


def is_vidtok(shapes: Mapping[str, Shape]) -> bool:
    """Return whether tensors of these names are a VidTok of any kind."""
    return any(name.startswith("encoder.down_temporal.") for name in shapes)


def config_of(path: Path, shapes: Mapping[str, Shape], beside: Path | None) -> VidTokConfig:
    """Return the sizes of the VidTok in a file; RequestError when it is of a kind without codes, or without streams."""
    settings = of_name(path) if beside is None else read_settings(beside)
    if "encoder.conv_in.conv.weight" not in shapes and "encoder.conv_in.weight" in shapes:
        raise RequestError(f"{path} is a noncausal VidTok, whose codes depend on later frames; a causal one is read")
    if settings.newer:
        raise RequestError(
            f"{path} is VidTok v1.1, which has another net in the same tensors: it decodes a frame with a later one. "
            "Take the file of version 1.0"
        )
    if any(re.search(r"\.norm1\.weight$", name) for name in shapes):
        raise RequestError(f"{path} is a VidTok with group norms over the whole clip; only its layer norms stream")
    latents = size(path, shapes, "encoder.conv_out.conv.weight", 0)
    if (read := size(path, shapes, "decoder.conv_in.conv.weight", 1)) != latents:
        raise RequestError(
            f"{path} is a KL tokenizer: its encoder gives {latents} numbers for {read} latents, a mean and a variance "
            "each, and no codes; take a file of FSQ"
        )
    levels = settings.levels or (_LEVELS,) * latents
    if len(levels) != latents:
        raise RequestError(f"{path} has {latents} latents, its settings {len(levels)} levels; they are of another file")
    check_levels(levels)
    stages = 1 + max(numbers(shapes, r"encoder\.down\.(\d+)\.block\."), default=-1)
    return VidTokConfig(
        fsq_levels=levels,
        channels=tuple(size(path, shapes, f"encoder.down.{i}.block.0.conv1.weight", 0) for i in range(stages)),
        encoder_blocks=len(numbers(shapes, r"encoder\.down\.0\.block\.(\d+)\.")),
        decoder_blocks=len(numbers(shapes, r"decoder\.up\.0\.block\.(\d+)\.")),
        encoder_halves=numbers(shapes, r"encoder\.down_temporal\.(\d+)\.downsample\."),
        decoder_doubles=numbers(shapes, r"decoder\.up_temporal\.(\d+)\.upsample\."),
    )


def wanted(shapes: Mapping[str, Shape]) -> dict[str, Wanted]:
    """Return the published tensor of each parameter, whose shapes by name are those of the net."""
    return {name: _wanted(name, shape) for name, shape in shapes.items()}


def _wanted(name: str, shape: Shape) -> Wanted:
    part, _, rest = name.partition("/")
    side = "down" if part == "encoder" else "up"
    theirs, inner = "", ""
    for pattern, form in (*_STAGES, *_PARTS.items()):
        if found := re.match(f"{pattern}(?:/|$)", rest):
            theirs, inner = form.format(*found.groups(), side=side), rest[found.end() :]
            break
    *layers, leaf = inner.split("/")
    path = ".".join([part, theirs, *(_LAYERS[layer] for layer in layers)])
    if leaf == "mix":
        return Wanted(f"{path}.mix_factor", shape)
    if "norm" in path.rpartition(".")[2]:
        return Wanted(f"{path}.norm.{'weight' if leaf == 'scale' else 'bias'}", shape)
    # Convolutions of space alone are torch's own; those that see time, and those of attention, are wrapped.
    plain = theirs.startswith(f"{side}.")
    path = path if plain else f"{path}.conv"
    if leaf == "bias":
        return Wanted(f"{path}.bias", shape)
    axes = (1, 2) if plain else (0,) if re.fullmatch(r"time_\d+_\d+", rest.partition("/")[0]) else (0, 1, 2)
    whole = shape if len(shape) == 5 else (1, 1, 1, *shape)
    return Wanted(f"{path}.weight", shape_in_torch(whole, axes))


VIDTOK = Kind(
    name="VidTok FSQ causal",
    source="VidTok (github.com/microsoft/VidTok, arXiv 2412.13061)",
    licence="MIT",
    aside=("loss.", "model_ema."),
    weights="plain",
    matches=is_vidtok,
    config_of=config_of,
    wanted=wanted,
)
