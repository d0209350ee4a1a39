"""Write .npz files, whole or not at all, and read those that come from elsewhere, array by array.

In: a file, and the type of each array in it. Out: the arrays, or a RequestError that names file and array. The header
of an array is checked before its numbers are unpacked, and arrays that are not asked for are not unpacked at all.
"""

import zipfile
import zlib
from collections.abc import Mapping
from os import PathLike, fspath
from typing import Any, NamedTuple

import numpy as np

from reelm.errors import RequestError, reason

from .atomic import replacing

_SMALL_BYTES, _MOST_TIMES = 64 << 20, 256  # unpacked bytes that any array may have, and times its packed ones
_MOST_BYTES = 2 * 2**30  # of one array
_KINDS = {"i": "whole numbers", "f": "numbers", "U": "text"}


class ArrayField(NamedTuple):
    """The type that an array must have.

    Attributes:
        kind: "i" for whole numbers, "f" for numbers, "U" for text.
        axes: names of its axes, such as "thw"; "" for a single value.
        needed: whether the file must have it.
    """

    kind: str
    axes: str = ""
    needed: bool = True


def check_packed(archive: zipfile.ZipFile) -> None:
    """Check that no array is far larger than its packed bytes; RequestError if one is."""
    for info in archive.infolist():
        if info.file_size > max(_SMALL_BYTES, _MOST_TIMES * info.compress_size):
            raise RequestError(f"its {info.filename[:60]!r} unpacks to more than {_MOST_TIMES} times its size")


def write_arrays(path: str | PathLike[str], arrays: Mapping[str, Any]) -> None:
    """Write the arrays, compressed; see `replacing`."""
    with replacing(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def read_arrays(path: str | PathLike[str], wanted: Mapping[str, ArrayField]) -> dict[str, np.ndarray]:
    """Return the arrays of a file by name, those that are not needed only if they are there.

    Raises:
        RequestError: not an .npz file, a damaged one, an array that is missing, empty, too large, of another kind or
            with other axes, or numbers that are NaN or infinite.
    """
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            check_packed(archive)
            members = {*archive.namelist()}
            for name in (name for name, field in wanted.items() if field.needed and f"{name}.npy" not in members):
                raise RequestError(f"it has no array {name!r}")
            for name, field in wanted.items():
                if f"{name}.npy" in members:
                    found[name] = _read(archive, name, field)
    except (RequestError, zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError) as error:
        # A file that is encrypted, or packed in a way that Python does not know, raises RuntimeError.
        raise RequestError(f"{fspath(path)!r} cannot be used: {reason(error)}") from error
    return found


def _read(archive: zipfile.ZipFile, name: str, field: ArrayField) -> np.ndarray:
    with archive.open(f"{name}.npy") as file:
        version = np.lib.format.read_magic(file)
        headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in headers:
            raise RequestError(f"its array {name!r} is of format {version}")
        shape, _, dtype = headers[version](file)
        if dtype.kind != field.kind or len(shape) != len(field.axes) or 0 in shape:
            axes = f"of the shape [{', '.join(field.axes)}]" if field.axes else "a single value"
            wanted = f"{_KINDS[field.kind]}, {axes}"
            raise RequestError(f"its array {name!r} is {dtype} of the shape {list(shape)}; it must be {wanted}")
        if np.prod(shape, dtype=object) * dtype.itemsize > _MOST_BYTES:
            raise RequestError(f"its array {name!r} is larger than {_MOST_BYTES // 2**30} GiB")
    with archive.open(f"{name}.npy") as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
    if field.kind == "f" and not np.isfinite(array).all():
        raise RequestError(f"its array {name!r} holds NaN or infinite numbers")
    return array
