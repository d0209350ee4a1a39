"""Read tensors from a file that torch wrote, without torch and without running what is pickled in it.

In: bytes. Out: {name: array}. Since version 1.6 such a file is a zip of a pickle, with the tensors as references to
storages, and a file of raw numbers for each storage. Before, it was four pickles (a magic number, a version, facts of
the machine, the tensors), then a pickled list of the storages, then each of those: a count and raw numbers.
"""

import io
import math
import pickle
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from reelm.errors import RequestError

_MAGIC = 0x1950A86A20F9469CFC6C
_TYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}
# Exceptions from a file that is damaged, or holds something else.
BROKEN = (
    *(pickle.UnpicklingError, zipfile.BadZipFile, zlib.error),
    *(EOFError, ValueError, LookupError, AttributeError, TypeError, ArithmeticError, MemoryError),
    *(RuntimeError, NotImplementedError, RecursionError),
)
_MOST_BYTES = 2 * 2**30  # of a storage


class Storage(NamedTuple):
    """Raw numbers of one type, by the key of their file."""

    key: str
    dtype: DTypeLike


class StoredTensor(NamedTuple):
    """The place of a tensor in its storage; strides count numbers, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_tensors(data: bytes) -> dict[str, np.ndarray]:
    """Return the tensors of a state dict by name.

    Raises:
        RequestError: the bytes are not a state dict, or their pickle asks for more than tensors.
    """
    try:
        tensors, storages = (_read_zip if data.startswith(b"PK\x03\x04") else _read_pickles)(io.BytesIO(data))
        return {name: view(tensor, storages[tensor.storage.key]) for name, tensor in tensors.items()}
    except BROKEN as error:
        raise RequestError(f"these are not weights of torch ({error}); fetch them again") from error


def _read_zip(file: io.BytesIO) -> tuple[dict[str, StoredTensor], dict[str, np.ndarray]]:
    """Return (tensors by name, storages by key); all files of the archive are in one folder, whatever its name."""
    with zipfile.ZipFile(file) as archive:
        (pickled,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        tensors = Tensors(io.BytesIO(entry(archive, pickled))).load()
        folder = pickled.removesuffix(".pkl")
        storages = _storages(tensors)
        if large := [key for key in storages if archive.getinfo(f"{folder}/{key}").file_size > _MOST_BYTES]:
            raise ValueError(f"its storage {large[0]} is larger than {_MOST_BYTES // 2**30} GiB")
        order = byte_order(archive, pickled)
        read = {key: (entry(archive, f"{folder}/{key}"), np.dtype(kind)) for key, kind in storages.items()}
        return tensors, {key: np.frombuffer(data, kind.newbyteorder(order)) for key, (data, kind) in read.items()}


def entry(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return an entry of a checkpoint. Torch packs none: one that is packed may be a thousand times larger.

    Raises:
        ValueError: the entry is packed.
    """
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"its entry {name[:60]!r} is packed, which torch never does")
    return archive.read(name)


def byte_order(archive: zipfile.ZipFile, pickled: str) -> Literal["<", ">"]:
    """Return the order of bytes in the storages of an archive, whose tensors are named by the entry `pickled`.

    Machines of both orders write checkpoints; before torch 2.1 they did not say which.
    """
    name = pickled.removesuffix("data.pkl") + "byteorder"
    said = entry(archive, name) if name in archive.namelist() else b"little"
    if said not in (b"little", b"big"):
        raise ValueError(f"its bytes have the order {said[:20]!r}")
    return ">" if said == b"big" else "<"


def _read_pickles(file: io.BytesIO) -> tuple[dict[str, StoredTensor], dict[str, np.ndarray]]:
    magic, _, _, tensors, keys = (Tensors(file).load() for _ in range(5))
    if magic != _MAGIC:
        raise ValueError("its magic number is wrong")
    dtypes = _storages(tensors)
    return tensors, {key: _read_storage(file, np.dtype(dtypes[key])) for key in keys}


def _storages(tensors: dict[str, StoredTensor]) -> dict[str, DTypeLike]:
    """Return the type of each storage's numbers by its key."""
    return dict(tensor.storage for tensor in tensors.values())


def _read_storage(file: io.BytesIO, dtype: np.dtype) -> np.ndarray:
    count = int.from_bytes(file.read(8), "little")
    return np.frombuffer(file.read(count * dtype.itemsize), dtype, count)


def view(tensor: StoredTensor, storage: np.ndarray) -> np.ndarray:
    """Return a tensor from the numbers of its storage; ValueError or IndexError when it lies outside of them."""
    if math.prod(tensor.shape) > len(storage) or min((0, *tensor.shape, *tensor.strides)) < 0:
        raise ValueError(f"a tensor of {list(tensor.shape)} lies in a storage of {len(storage)} numbers")
    whole = tuple(math.prod(tensor.shape[axis + 1 :]) for axis in range(len(tensor.shape)))
    if tuple(tensor.strides) == whole and tensor.offset >= 0:
        return storage[tensor.offset : tensor.offset + math.prod(tensor.shape)].reshape(tensor.shape)
    # By indices, which NumPy checks: with strides alone it would read memory outside of the storage.
    places = np.asarray(tensor.offset)
    for size, stride in zip(tensor.shape, tensor.strides, strict=True):
        places = places[..., None] + np.arange(size) * stride
    return storage[places]


class Tensors(pickle.Unpickler):
    """Makes plain containers and `StoredTensor`s, and nothing else.

    Attributes:
        types: of storages, by the names that torch has for them.
    """

    types: Mapping[str, DTypeLike] = _TYPES

    def persistent_load(self, pid: Any) -> Storage:
        kind, storage, key, *_ = pid
        if kind != "storage" or not isinstance(storage, str):
            raise ValueError(f"it refers to {kind!r}")
        return Storage(key, self.types[storage])

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch._utils" and name in ("_rebuild_tensor", "_rebuild_tensor_v2"):  # the former until 0.3
            return rebuild
        if module == "torch" and name in self.types:
            return name
        return self.unknown(module, name)

    def unknown(self, module: str, name: str) -> Any:
        """Return a replacement for any other class that the file names."""
        raise RequestError(f"a file of weights asks for {module}.{name}, which is not a tensor; it was not run")


def rebuild(storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> StoredTensor:
    """Return the tensor that a pickle makes by torch's function of this name."""
    return StoredTensor(storage, offset, shape, strides)
