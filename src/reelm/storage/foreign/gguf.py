"""GGUF files, in which llama.cpp keeps language models: facts by name, and tensors, quantized or not.

In: a path. Out: a `GGUF`, whose tensors are read one by one, or a few rows of one. The package `gguf` of the extra
`llm` reads them; it maps the file, so tensors that are not read take no memory.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reelm.errors import RequestError, reason
from reelm.extras import how_to_install


class GGUF:
    """A file of tensors.

    Attributes:
        facts: metadata of the file by name: numbers, text, booleans, and lists of them.
    """

    def __init__(self, path: Path):
        """Open a file; RequestError when it is not GGUF or damaged, or when the package `gguf` is missing."""
        try:
            import gguf
        except ImportError as error:
            raise RequestError(f"the package gguf reads {path}; install it: {how_to_install('llm')}") from error
        self._path, self._widened = path, gguf.dequantize
        try:
            reader = gguf.GGUFReader(path)
            self.facts = {name: field.contents() for name, field in reader.fields.items()}
        except OSError as error:
            raise RequestError(f"cannot read {path}: {error}; name a GGUF file") from error
        except (ValueError, LookupError, TypeError, ArithmeticError, MemoryError) as error:
            raise RequestError(f"{path} is cut off or not a GGUF file ({reason(error)}); fetch it again") from error
        self._tensors = {tensor.name: tensor for tensor in reader.tensors}

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the axes of a tensor; a matrix has outputs first, then inputs."""
        return tuple(map(int, reversed(self._tensor(name).shape)))

    def read(self, name: str) -> np.ndarray:
        """Return a tensor as float32."""
        return self._numbers(name, slice(None))

    def rows(self, name: str, rows: Sequence[int]) -> np.ndarray:
        """Return some rows of a matrix as float32 `[len(rows), columns]`."""
        return self._numbers(name, np.asarray(rows, np.int64))

    def _numbers(self, name: str, rows: Any) -> np.ndarray:
        tensor = self._tensor(name)
        try:
            return self._widened(tensor.data[rows], tensor.tensor_type)
        except NotImplementedError as error:
            raise RequestError(
                f"{self._path}: the tensor {name} is of {tensor.tensor_type.name}, which gguf does not read"
            ) from error

    def _tensor(self, name: str) -> Any:
        if name not in self._tensors:
            raise RequestError(f"{self._path} has no tensor {name}")
        return self._tensors[name]
