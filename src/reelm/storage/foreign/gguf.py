"""Read GGUF files, in which llama.cpp keeps language models: facts by name, and tensors, quantized or not.

In: a path. Out: a `GGUF`, whose tensors are read one by one, or a few rows of one. The file is mapped, so what nobody
reads costs no memory. Every length in it is compared with what is there before anything of that length is made.
"""

import math
import mmap
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reelm.errors import RequestError
from reelm.storage.fields import shown

from .quantized import FORMATS, BlockFormat

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _LIST = 8, 9
_MOST_AXES = 4
_ALIGNMENT = 32  # of the tensors, in bytes, where the file names none
_LEAST_FACT, _LEAST_TENSOR = 13, 28  # bytes that a fact and an entry of a tensor take at least


class _Entry(NamedTuple):
    """Where a tensor lies: its format, its shape with the slowest axis first, and its first byte."""

    format: BlockFormat
    shape: tuple[int, ...]
    start: int


class GGUF:
    """A file of tensors.

    Attributes:
        path: of the file.
        facts: what the file says of itself, by name: numbers, text, truth values, and lists of them.
    """

    def __init__(self, path: Path):
        """Open a file; RequestError when it is no GGUF, is cut off, or names more than it holds."""
        self.path = path
        try:
            with path.open("rb") as file:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # a file without bytes cannot be mapped
            raise RequestError(f"cannot read {path}: {error}; name a GGUF file") from error
        if self._data[:4] != _MAGIC:
            raise RequestError(f"{path} is no GGUF file: it begins with {shown(self._data[:4])}")
        try:
            self.facts, self._entries = self._header()
        except (struct.error, UnicodeDecodeError, OverflowError) as error:
            raise self._damaged(str(error)) from error

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the axes of a tensor, the slowest first: of a matrix outputs, then inputs."""
        return self._entry(name).shape

    def read(self, name: str) -> np.ndarray:
        """Return a tensor as float32."""
        form, shape, start = self._entry(name)
        return self._numbers(form, start, math.prod(shape)).reshape(shape)

    def rows(self, name: str, rows: Sequence[int]) -> np.ndarray:
        """Return some rows of a matrix as float32 `[len(rows), columns]`."""
        form, shape, start = self._entry(name)
        step = shape[1] // form.numbers * form.bytes
        made = [self._numbers(form, start + row * step, shape[1]) for row in rows]
        return np.stack(made) if made else np.zeros((0, shape[1]), np.float32)

    def _entry(self, name: str) -> _Entry:
        if name not in self._entries:
            raise RequestError(f"{self.path} has no tensor {name}")
        return self._entries[name]

    def _numbers(self, form: BlockFormat, start: int, count: int) -> np.ndarray:
        size = count // form.numbers * form.bytes
        blocks = np.frombuffer(self._data, np.uint8, size, start).reshape(-1, form.bytes)
        return form.widened(blocks).reshape(-1)

    def _header(self) -> tuple[dict[str, Any], dict[str, _Entry]]:
        reader = _Reader(self._data, 4, self._damaged)
        version, tensors, count = reader.numbers("I")[0], *reader.numbers("QQ")
        if version not in _VERSIONS:
            raise RequestError(f"{self.path} is GGUF of version {version}; versions 2 and 3 are read, little-endian")
        reader.check(count, _LEAST_FACT, "facts")
        facts = {}
        for _ in range(count):
            name = reader.text()
            facts[name] = reader.value(reader.numbers("I")[0])
        reader.check(tensors, _LEAST_TENSOR, "tensors")
        listed = [self._listed(reader) for _ in range(tensors)]
        alignment = facts.get("general.alignment", _ALIGNMENT)
        if not isinstance(alignment, int) or alignment < 1:
            raise self._damaged(f"its alignment is {shown(alignment)}")
        first = -(-reader.place // alignment) * alignment
        entries = {}
        for name, form, shape, offset in listed:
            size = math.prod(shape) // form.numbers * form.bytes
            if first + offset + size > len(self._data):
                raise self._damaged(f"the tensor {shown(name)} ends beyond the file, which may be cut off")
            entries[name] = _Entry(form, shape, first + offset)
        return facts, entries

    def _listed(self, reader: "_Reader") -> tuple[str, BlockFormat, tuple[int, ...], int]:
        """Return name, format, shape and offset of the next tensor in the list."""
        name = reader.text()
        (axes,) = reader.numbers("I")
        if not 1 <= axes <= _MOST_AXES:
            raise self._damaged(f"the tensor {shown(name)} has {axes} axes")
        shape = tuple(reversed(reader.numbers("Q" * axes)))
        number, offset = reader.numbers("IQ")
        if number not in FORMATS:
            known = ", ".join(form.name for form in FORMATS.values())
            raise RequestError(
                f"{self.path}: the tensor {shown(name)} is of GGML's type {number}; those that are read are {known}"
            )
        form = FORMATS[number]
        if 0 in shape or shape[-1] % form.numbers:
            raise self._damaged(f"the tensor {shown(name)} of {list(shape)} is no whole blocks of {form.name}")
        return name, form, shape, offset

    def _damaged(self, why: str) -> RequestError:
        return RequestError(f"{self.path} is damaged: {why}; fetch it again")


class _Reader:
    """Reads one thing after another from mapped bytes."""

    def __init__(self, data: mmap.mmap, place: int, damaged: Any):
        self.place = place
        self._data, self._damaged = data, damaged

    def numbers(self, kinds: str) -> tuple[Any, ...]:
        """Return numbers without gaps between them, by their letters in `struct`."""
        found = struct.unpack_from(f"<{kinds}", self._data, self.place)
        self.place += struct.calcsize(f"<{kinds}")
        return found

    def check(self, count: int, least: int, what: str) -> None:
        """Check that so many things, of at least so many bytes each, can follow; RequestError when they cannot."""
        left = len(self._data) - self.place
        if count > left // least:
            raise self._damaged(f"it names {count} {what} where {left} bytes are left")

    def text(self) -> str:
        (size,) = self.numbers("Q")
        self.check(size, 1, "letters")
        self.place += size
        return self._data[self.place - size : self.place].decode()

    def value(self, kind: int) -> Any:
        """Return the value of a fact; of lists within lists, which no model has, there is no end."""
        if kind != _LIST:
            return self._plain(kind)
        kind, count = self.numbers("IQ")
        if kind in _SCALARS:
            self.check(count, struct.calcsize(f"<{_SCALARS[kind]}"), "numbers")
            return list(self.numbers(f"{count}{_SCALARS[kind]}"))
        self.check(count, 8, "texts")
        return [self._plain(kind) for _ in range(count)]

    def _plain(self, kind: int) -> Any:
        if kind == _TEXT:
            return self.text()
        if kind not in _SCALARS:
            raise self._damaged(f"a fact is of type {kind}")
        return self.numbers(_SCALARS[kind])[0]
