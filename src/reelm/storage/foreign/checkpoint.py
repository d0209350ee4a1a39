"""The tensors of a published checkpoint: a folder of safetensors, in one file or several.

In: a folder. Out: a `Checkpoint`, whose tensors are read one by one, or a few rows of one. They keep the number format
of the file, to save memory.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from reelm.errors import RequestError
from reelm.storage.fields import parsed, read_json, shown
from reelm.storage.names import directly_in

_INDEX, _WHOLE = "model.safetensors.index.json", "model.safetensors"
_TYPES = ("F32", "F16", "BF16")


class Checkpoint:
    """The tensors in a folder.

    Attributes:
        folder: of the checkpoint.
        files: the files of its tensors.
        names: names of all tensors.
    """

    def __init__(self, folder: Path):
        """Open a folder; RequestError when files of it are missing or damaged."""
        self.folder, self.files = folder, _files(folder)
        self._file: dict[str, Any] = {}
        for path in self.files:
            try:
                file = safe_open(path, framework="numpy")
            except (OSError, SafetensorError) as error:
                raise RequestError(f"{folder} holds damaged safetensors ({error}); fetch them again") from error
            self._file |= dict.fromkeys(file.keys(), file)
        self.names = [*self._file]

    def __contains__(self, name: str) -> bool:
        return name in self._file

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the axes of a tensor; a matrix has outputs first, then inputs."""
        return tuple(self._slice(name).get_shape())

    def read(self, name: str) -> np.ndarray:
        """Return a tensor, in float32, float16 or bfloat16 as it is stored."""
        if (dtype := self._slice(name).get_dtype()) not in _TYPES:
            raise RequestError(f"{self.folder}: the tensor {name} is of {shown(dtype)}; read are {', '.join(_TYPES)}")
        return self._file[name].get_tensor(name)

    def rows(self, name: str, rows: Sequence[int]) -> np.ndarray:
        """Return some rows of a matrix as float32 `[len(rows), columns]`."""
        matrix = self._slice(name)
        return np.concatenate([matrix[row : row + 1] for row in rows]).astype(np.float32)

    def _slice(self, name: str) -> Any:
        if name not in self._file:
            raise RequestError(f"{self.folder} has no tensor {name}")
        return self._file[name].get_slice(name)


def _files(folder: Path) -> list[Path]:
    index = folder / _INDEX
    if index.is_file():
        fields = read_json(index)
        where = parsed(dict[str, str], fields.get("weight_map") if isinstance(fields, dict) else None, str(index))
        files = [directly_in(folder, name, str(index)) for name in sorted({*where.values()})]
    else:
        files = [folder / _WHOLE]
    for file in files:
        if not file.is_file():
            raise RequestError(f"{folder} has no {file.name}; fetch the weights as safetensors")
    return files
