"""What a conversion needs to know of a published kind of tokenizer, and how tensors of torch lie in memory.

In: names and shapes of a file's tensors. Out: those that the net of reelm asks for, each in its own layout. Knows no
kind by name.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from reelm.errors import RequestError
from reelm.storage.foreign.torch_checkpoint import OpenFile
from reelm.storage.tensors import nested
from reelm.tokenizer.families import VideoConfig

Shape = tuple[int, ...]
Weights = Literal["plain", "ema"]


class Wanted(NamedTuple):
    """A tensor of a published file.

    Attributes:
        name: in the file.
        shape: in the file.
    """

    name: str
    shape: Shape


class Kind(NamedTuple):
    """A kind of tokenizer that others published.

    Attributes:
        name: as a person knows it, with what is read of it.
        source: where it is from.
        licence: of its weights.
        aside: what the names of tensors begin with that belong to its training.
        weights: those that its authors measure: of the last step, or their moving average where a file has it.
        matches: returns whether tensors of these names are of this kind.
        config_of: returns the sizes of the nets in a file, from its path, the shapes of its tensors, and the YAML that
            was published beside it, if any. RequestError when it is of a kind that is not read.
        wanted: returns the published tensor of each parameter, from the shapes of parameters by name.
    """

    name: str
    source: str
    licence: str
    aside: tuple[str, ...]
    weights: Weights
    matches: Callable[[Mapping[str, Shape]], bool]
    config_of: Callable[[Path, Mapping[str, Shape], Path | None], VideoConfig]
    wanted: Callable[[Mapping[str, Shape]], dict[str, Wanted]]


def numbers(shapes: Mapping[str, Shape], pattern: str) -> tuple[int, ...]:
    """Return the numbers that stand in the names of tensors, each once."""
    return tuple(sorted({int(found[1]) for name in shapes if (found := re.match(pattern, name))}))


def size(path: Path, shapes: Mapping[str, Shape], name: str, axis: int) -> int:
    """Return the length of an axis of a tensor; RequestError when the file has no such axis."""
    if name not in shapes or len(shapes[name]) <= axis:
        raise RequestError(f"{path} lacks {name}, which nets of its kind have; it is no whole tokenizer")
    return shapes[name][axis]


def shape_in_torch(shape: Shape, axes: Sequence[int]) -> Shape:
    """Return the shape in torch of a kernel `[..., in, out]`, of whose other axes torch has some."""
    return (shape[-1], shape[-2], *(shape[axis] for axis in axes))


def collected(
    path: Path, file: OpenFile, wanted: Mapping[str, Wanted], shapes: Mapping[str, Shape], aside: tuple[str, ...]
) -> dict:
    """Return the parameters of a net, nested, read one by one.

    Args:
        path: of the file, for messages.
        file: the open file.
        wanted: for the path of each parameter, its tensor in the file.
        shapes: of each parameter.
        aside: what the names of tensors begin with that belong to no net, such as those of a loss.

    Raises:
        RequestError: a tensor is missing, has another shape, or is one that the net has not.
    """
    named = {each.name for each in wanted.values()}
    if missing := sorted(named - {*file.shapes}):
        raise RequestError(f"{path} lacks {_some(missing)}, which nets of its kind have; it is no whole tokenizer")
    if extra := sorted(name for name in file.shapes if name not in named and not name.startswith(aside)):
        raise RequestError(f"{path} holds {_some(extra)}, which nets of its kind have not; it is another net")
    for each in wanted.values():
        if file.shapes[each.name] != each.shape:
            raise RequestError(
                f"{path} holds {each.name} of the shape {list(file.shapes[each.name])}; its other tensors ask for "
                f"{list(each.shape)}"
            )
    return nested({ours: _laid_out(file.read, each, shapes[ours], path) for ours, each in wanted.items()})


def has_averages(file: OpenFile) -> bool:
    """Return whether a file has moving averages of its weights beside them."""
    return any(name.startswith("model_ema.encoder") for name in file.shapes)


def averages(path: Path, file: OpenFile, aside: tuple[str, ...]) -> OpenFile:
    """Return a file whose tensors are the moving averages of those of another, which have names without dots.

    RequestError when it has none.
    """
    names = {name: f"model_ema.{name.replace('.', '')}" for name in file.shapes if not name.startswith(aside)}
    if missing := sorted({*names.values()} - {*file.shapes}):
        raise RequestError(f"{path} has no moving averages: it lacks {_some(missing)}; take its plain weights")
    return OpenFile({name: file.shapes[there] for name, there in names.items()}, lambda name: file.read(names[name]))


def _laid_out(read: Callable[[str], np.ndarray], each: Wanted, shape: Shape, path: Path) -> np.ndarray:
    tensor = read(each.name)
    if not np.isfinite(tensor).all():
        raise RequestError(f"{path} holds NaN or infinite numbers in {each.name}")
    if tensor.ndim > 1:
        tensor = np.moveaxis(tensor, (1, 0), (-2, -1))
    return np.ascontiguousarray(tensor).reshape(shape)


def _some(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more tensors"
