"""Read VidTok's published files: derive the sizes of the nets, and map parameters to the names of tensors.

In: names and shapes of tensors, and their published YAML, if there is one. Out: a `VidTokConfig`, or a RequestError
that says what else the file is. The names are those of microsoft/VidTok.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from reelm.errors import RequestError
from reelm.storage.fields import parsed, read_text, shown
from reelm.tokenizer.code_spec import check_fsq_levels
from reelm.tokenizer.vidtok.config import VidTokConfig

Shape = tuple[int, ...]

_LEVELS = 8  # of each latent, the same in all published files
_NEWER = ("v1_1", "v1.1")  # in names of files and classes
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


class Wanted(NamedTuple):
    """The name and the shape of a tensor in a published file."""

    name: str
    shape: Shape


class Settings(NamedTuple):
    """The settings that cannot be derived from the shapes of tensors.

    Attributes:
        levels: of each latent; None if unknown.
        newer: whether it is VidTok v1.1, whose layers pad the start and double time differently.
    """

    levels: tuple[int, ...] | None
    newer: bool


def config_of(path: Path, shapes: Mapping[str, Shape], beside: Path | None) -> VidTokConfig:
    """Return the sizes of the VidTok in a file; RequestError for a kind without codes, or that cannot stream."""
    if not any(name.startswith("encoder.down_temporal.") for name in shapes):
        raise RequestError(
            f"{path} is not a causal VidTok tokenizer with FSQ, the only kind that is supported; it holds "
            f"{sorted(shapes)[0]}"
        )
    settings = Settings(None, any(mark in path.name for mark in _NEWER)) if beside is None else _read_settings(beside)
    if "encoder.conv_in.conv.weight" not in shapes and "encoder.conv_in.weight" in shapes:
        raise RequestError(f"{path} is a noncausal VidTok, whose codes depend on later frames; take a causal one")
    if settings.newer:
        raise RequestError(
            f"{path} is VidTok v1.1, another net with the same tensors, which decodes a frame with a later one; "
            "take the file of version 1.0"
        )
    if any(re.search(r"\.norm1\.weight$", name) for name in shapes):
        raise RequestError(f"{path} is a VidTok with group norms over the whole clip; only its layer norms stream")
    latents = _size(path, shapes, "encoder.conv_out.conv.weight", 0)
    if (read := _size(path, shapes, "decoder.conv_in.conv.weight", 1)) != latents:
        raise RequestError(
            f"{path} is a KL tokenizer: its encoder gives {latents} values for {read} latents, a mean and a variance "
            "each, and no codes; take a file with FSQ"
        )
    levels = settings.levels or (_LEVELS,) * latents
    if len(levels) != latents:
        raise RequestError(f"{path} has {latents} latents, but its settings {len(levels)} levels; they do not match")
    check_fsq_levels(levels)
    stages = 1 + max(_numbers(shapes, r"encoder\.down\.(\d+)\.block\."), default=-1)
    return VidTokConfig(
        fsq_levels=levels,
        channels=tuple(_size(path, shapes, f"encoder.down.{i}.block.0.conv1.weight", 0) for i in range(stages)),
        encoder_blocks=len(_numbers(shapes, r"encoder\.down\.0\.block\.(\d+)\.")),
        decoder_blocks=len(_numbers(shapes, r"decoder\.up\.0\.block\.(\d+)\.")),
        encoder_halves=_numbers(shapes, r"encoder\.down_temporal\.(\d+)\.downsample\."),
        decoder_doubles=_numbers(shapes, r"decoder\.up_temporal\.(\d+)\.upsample\."),
    )


def wanted(name: str, shape: Shape) -> Wanted:
    """Return the published tensor of a parameter of `VidTokEncoder` or `VidTokDecoder`, by its path and shape here."""
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
    # Convolutions over only space are torch's own; those over time, and those of attention, are wrapped.
    plain = theirs.startswith(f"{side}.")
    path = path if plain else f"{path}.conv"
    if leaf == "bias":
        return Wanted(f"{path}.bias", shape)
    axes = (1, 2) if plain else (0,) if re.fullmatch(r"time_\d+_\d+", rest.partition("/")[0]) else (0, 1, 2)
    whole = shape if len(shape) == 5 else (1, 1, 1, *shape)
    return Wanted(f"{path}.weight", _in_torch(whole, axes))


def _in_torch(shape: Shape, axes: Sequence[int]) -> Shape:
    """Return the shape in torch of a kernel `[..., in, out]`; `axes` are the other axes that torch's kernel has."""
    return (shape[-1], shape[-2], *(shape[axis] for axis in axes))


def _numbers(shapes: Mapping[str, Shape], pattern: str) -> tuple[int, ...]:
    """Return the distinct numbers that match a pattern in the names of tensors."""
    return tuple(sorted({int(found[1]) for name in shapes if (found := re.match(pattern, name))}))


def _size(path: Path, shapes: Mapping[str, Shape], name: str, axis: int) -> int:
    """Return the length of an axis of a tensor; RequestError when the file does not have it."""
    if name not in shapes or len(shapes[name]) <= axis:
        raise RequestError(f"{path} lacks {name}; it is not a complete tokenizer")
    return shapes[name][axis]


def _read_settings(path: Path) -> Settings:
    """Return the settings in a YAML file; RequestError unless it is YAML for a causal tokenizer with FSQ."""
    try:
        settings = yaml.safe_load(read_text(path))
    except (yaml.YAMLError, RecursionError) as error:
        raise RequestError(f"{path} is not YAML ({' '.join(str(error).split())[:120]})") from error
    model = _inside(settings, "model")
    regularizer = _inside(model, "params", "regularizer_config")
    kind = str(regularizer.get("target", "")).rpartition(".")[2]
    if kind != "FSQRegularizer":
        raise RequestError(
            f"{path} belongs to a tokenizer with the regularizer {shown(kind)}; only FSQRegularizer makes codes"
        )
    levels = parsed(tuple[int, ...], _inside(regularizer, "params").get("levels"), str(path))
    encoder = str(_inside(model, "params", "encoder_config").get("target", ""))
    if "noncausal" in encoder:
        raise RequestError(f"{path} is for a noncausal VidTok, whose codes depend on later frames; take a causal one")
    targets = (encoder, str(model.get("target", "")))
    return Settings(levels, any(mark in target for mark in _NEWER for target in targets))


def _inside(value: Any, *names: str) -> dict[str, Any]:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
