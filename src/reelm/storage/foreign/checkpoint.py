"""The tensors of a published checkpoint: a folder of safetensors, in one file or several.

In: a folder. Out: a `Checkpoint`, whose tensors are read one by one, or a few rows of one. The files are mapped, so
what nobody reads costs no memory. Tensors keep the number format of the file, so that who reads them may stay small.
"""

import mmap
from collections.abc import Sequence
from pathlib import Path

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, safe_open

from reelm.errors import RequestError
from reelm.storage.fields import parsed, read_json, shown
from reelm.storage.names import beside
from reelm.storage.tensors import header

_INDEX, _WHOLE = "model.safetensors.index.json", "model.safetensors"
_TYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype(ml_dtypes.bfloat16)}


class Checkpoint:
    """The tensors in a folder.

    Attributes:
        folder: of the checkpoint.
        files: that hold its tensors.
    """

    def __init__(self, folder: Path):
        """Open a folder; RequestError when files of it are missing or damaged."""
        self.folder = folder
        self.files = _files(folder)
        self._where: dict[str, tuple[mmap.mmap, int, dict]] = {}
        for path in self.files:
            self._where |= _tensors(path)

    def __contains__(self, name: str) -> bool:
        return name in self._where

    @property
    def names(self) -> list[str]:
        """The names of all tensors."""
        return [*self._where]

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the axes of a tensor: of a matrix outputs, then inputs."""
        return tuple(self._entry(name)[2]["shape"])

    def read(self, name: str) -> np.ndarray:
        """Return a tensor, in float32, float16 or bfloat16 as it is stored."""
        data, start, entry = self._entry(name)
        if entry["dtype"] not in _TYPES:
            raise RequestError(
                f"{self.folder}: the tensor {name} is of {shown(entry['dtype'])}; read are {', '.join(_TYPES)}"
            )
        first, last = entry["data_offsets"]
        numbers = np.frombuffer(data, np.uint8, last - first, start + first)
        return numbers.view(_TYPES[entry["dtype"]]).reshape(entry["shape"])

    def rows(self, name: str, rows: Sequence[int]) -> np.ndarray:
        """Return some rows of a matrix as float32 `[len(rows), columns]`."""
        return self.read(name)[np.asarray(rows, np.int64)].astype(np.float32)

    def _entry(self, name: str) -> tuple[mmap.mmap, int, dict]:
        if name not in self._where:
            raise RequestError(f"{self.folder} has no tensor {name}")
        return self._where[name]


def _files(folder: Path) -> list[Path]:
    index = folder / _INDEX
    if index.is_file():
        fields = read_json(index)
        where = parsed(dict[str, str], fields.get("weight_map") if isinstance(fields, dict) else None, str(index))
        files = [beside(folder, name, str(index)) for name in sorted({*where.values()})]
    else:
        files = [folder / _WHOLE]
    for file in files:
        if not file.is_file():
            raise RequestError(f"{folder} has no {file.name}; fetch the weights as safetensors")
    return files


def _tensors(path: Path) -> dict[str, tuple[mmap.mmap, int, dict]]:
    """Return what each tensor of a file needs to be read, by name: the mapped file, where data begin, its entry."""
    try:
        with safe_open(path, framework="numpy"):
            pass  # it compares every size in the file with the file itself
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, SafetensorError, ValueError) as error:
        raise RequestError(f"{path.parent} holds no sound safetensors ({error}); fetch them again") from error
    start, entries = header(data)
    return {name: (data, start, entry) for name, entry in entries.items()}
