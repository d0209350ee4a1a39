"""Open a checkpoint of another project, to read it tensor by tensor: torch's zip, or safetensors.

In: a path. Out: the shapes of its tensors by name, and each as float32 when it is asked for. Nothing that is pickled in
the file is imported or run: a trainer's callbacks, optimizers and settings become placeholders that do nothing.
"""

import contextlib
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
from numpy.typing import DTypeLike
from safetensors import SafetensorError, safe_open

from reelm.errors import RequestError, reason

from .torch_file import BROKEN, StoredTensor, Tensors, byte_order, entry, view

_TYPES: dict[str, DTypeLike] = {
    **{"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": ml_dtypes.bfloat16},
    **{"LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1"},
    "BoolStorage": "?",
}
_MOST_PICKLE = 256 * 2**20  # bytes of the pickle, which says where the tensors lie
_WEIGHTS = ("state_dict", "model_state_dict", "model", "module", "weights")  # entries of a trainer's checkpoint
_DEEPEST = 3  # such entries within each other
# Names that torch puts before, and `torch.compile` also within, those of a net.
_COMPILED, _WRAPPED = "_orig_mod.", "module."


class OpenFile(NamedTuple):
    """An open file.

    Attributes:
        shapes: of each tensor, by its name.
        read: returns a tensor as float32; RequestError when its numbers are damaged.
    """

    shapes: Mapping[str, tuple[int, ...]]
    read: Callable[[str], np.ndarray]


@contextlib.contextmanager
def opened(path: Path) -> Iterator[OpenFile]:
    """Open a file for as long as its tensors are read.

    Raises:
        RequestError: it is not such a file, is cut off, or holds no tensors.
    """
    with path.open("rb") as file:
        start = file.read(9)
    if start.startswith(b"PK\x03\x04"):
        kind = _opened_zip
    elif start[8:] == b"{":
        kind = _opened_safetensors
    else:
        what = "a bare pickle, which is not run" if start.startswith(b"\x80") else "neither kind of file"
        raise RequestError(f"{path} is {what}; a checkpoint is a zip of torch 1.6 or later, or safetensors")
    with kind(path) as checkpoint:
        if not checkpoint.shapes:
            raise RequestError(f"{path} holds no tensors by name; name the file of a tokenizer's weights")
        theirs = _unwrapped(checkpoint.shapes)
        shapes = {name: checkpoint.shapes[their] for name, their in theirs.items()}
        yield OpenFile(shapes, lambda name: checkpoint.read(theirs[name]))


def _unwrapped(names: Iterable[str]) -> dict[str, str]:
    """Return their names by those of the net itself, which a trainer may have compiled or spread over devices."""
    own = {name.replace(_COMPILED, ""): name for name in names}
    while all(name.startswith(_WRAPPED) for name in own):
        own = {name.removeprefix(_WRAPPED): their for name, their in own.items()}
    return own


def _weights(content: Any, depth: int = 0) -> Mapping[str, StoredTensor]:
    """Return the tensors of a checkpoint by name: those of the entry that holds the weights, or else its own."""
    if not isinstance(content, dict):
        return {}
    for name in _WEIGHTS if depth < _DEEPEST else ():
        if isinstance(content.get(name), dict) and (found := _weights(content[name], depth + 1)):
            return found
    return {name: each for name, each in content.items() if isinstance(name, str) and isinstance(each, StoredTensor)}


@contextlib.contextmanager
def _opened_zip(path: Path) -> Iterator[OpenFile]:
    def damaged(error: BaseException) -> RequestError:
        return RequestError(f"{path} is cut off or not a checkpoint of torch ({reason(error)}); fetch it again")

    with contextlib.ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
            (pickled,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            if archive.getinfo(pickled).file_size > _MOST_PICKLE:
                raise ValueError(f"{pickled} is larger than {_MOST_PICKLE // 2**20} MiB")
            content, order = _Placing(io.BytesIO(entry(archive, pickled))).load(), byte_order(archive, pickled)
        except (*BROKEN, OSError) as error:
            raise damaged(error) from error
        tensors, folder = _weights(content), pickled.removesuffix(".pkl")

        def read(name: str) -> np.ndarray:
            tensor = tensors[name]
            try:
                data = entry(archive, f"{folder}/{tensor.storage.key}")
                numbers = np.frombuffer(data, np.dtype(tensor.storage.dtype).newbyteorder(order))
                return view(tensor, numbers).astype(np.float32, copy=False)
            except (*BROKEN, OSError) as error:
                raise damaged(error) from error

        yield OpenFile({name: tuple(tensor.shape) for name, tensor in tensors.items()}, read)


@contextlib.contextmanager
def _opened_safetensors(path: Path) -> Iterator[OpenFile]:
    try:
        with safe_open(path, framework="flax") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118  (not a dict)
            yield OpenFile(shapes, lambda name: np.asarray(file.get_tensor(name), np.float32))
    except SafetensorError as error:
        raise RequestError(f"{path} is cut off or not safetensors ({reason(error)}); fetch it again") from error


class _Placing(Tensors):
    """Makes plain containers and `StoredTensor`s; everything else that a file names becomes an `_Inert`."""

    types = _TYPES

    def unknown(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda tensor, *_: tensor
        return _Inert


class _Inert:
    """Replaces an object of an unknown class: it takes whatever a pickle gives it, and keeps nothing."""

    def __new__(cls, *_: Any, **__: Any) -> "_Inert":
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __call__(self, *_: Any, **__: Any) -> "_Inert":
        return self

    def __setstate__(self, _: Any) -> None: ...

    def __setitem__(self, _: Any, __: Any) -> None: ...

    def append(self, _: Any) -> None:
        """Take an item of a list."""

    def extend(self, _: Any) -> None:
        """Take items of a list."""

    def add(self, _: Any) -> None:
        """Take an item of a set."""
