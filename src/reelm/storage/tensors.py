"""Write nested parameters to safetensors files and read them back, stored as float32, bfloat16 or int8.

int8 is symmetric with one scale for each output channel (the tensor `NAME.scale`); vectors stay float32. Parameters
that were trained from others that the reader has, too, can be stored as differences in four bits, at half the size of
int8 (`NAME.difference`; BitDelta, arXiv 2402.10193, goes down to one). Reading always gives float32. A flipped bit in
the numbers of a safetensors file goes unnoticed here, so `sampling/folder/read.py` checks the sha256 of every file.
Knows nothing of JAX or of models.
"""

import json
import math
from collections.abc import Mapping
from functools import cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, Literal, get_args

import ml_dtypes
import numpy as np
from safetensors.numpy import load_file, save

from reelm.errors import RequestError, reason

from .atomic import write_bytes
from .fields import shown

StoredType = Literal["float32", "bfloat16", "int8"]
_SCALE, _DIFFERENCE = ".scale", ".difference"
_MOST_STEPS = 7  # of a difference, in either direction
_CLIPS = np.linspace(0.5, 1, 11)  # shares of the largest difference that are tried as the largest number
_MOST_LEVELS = 32  # of dicts inside each other
_TYPES = {"F32": np.float32, "BF16": ml_dtypes.bfloat16, "I8": np.int8, "U8": np.uint8}


def pack(params: dict, dtype: StoredType, *, base: dict | None = None) -> bytes:
    """Return the bytes of a safetensors file that holds nested parameters.

    Args:
        params: nested dicts of arrays; names are joined by `/`.
        dtype: number format of the matrices; tensors with fewer than two axes stay float32.
        base: the parameters that `unpack` will be given. Matrices with the name and the shape of one of these are
            stored as differences from it.

    Raises:
        RequestError: another `dtype`.
    """
    if dtype not in get_args(StoredType):
        raise RequestError(f"dtype is {dtype!r}; choose one of {', '.join(get_args(StoredType))}")
    tensors: dict[str, np.ndarray] = {}
    bases = flattened(base or {})
    for name, leaf in flattened(params).items():
        value = np.asarray(leaf, np.float32, order="C")  # safetensors writes memory in the order that it has
        if value.ndim < 2:
            tensors[name] = value
        elif name in bases and bases[name].shape == value.shape:
            tensors[name + _DIFFERENCE], tensors[name + _SCALE] = _difference(value - bases[name], _inputs(name, value))
        elif dtype == "float32":
            tensors[name] = value
        elif dtype == "bfloat16":
            tensors[name] = value.astype(ml_dtypes.bfloat16)
        else:
            scale = np.maximum(np.abs(value).max(axis=_inputs(name, value), keepdims=True), 1e-12) / 127
            tensors[name] = np.round(value / scale).astype(np.int8)
            tensors[name + _SCALE] = scale.astype(np.float32)
    return save(tensors)


def _inputs(name: str, value: np.ndarray) -> tuple[int, ...]:
    """Return the axes of a matrix that share a scale. Each of several stacked layers has its own scales."""
    return tuple(range(1 if name.startswith("layers/") and value.ndim > 2 else 0, value.ndim - 1))


def _difference(value: np.ndarray, inputs: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return a difference as numbers of four bits, two in each byte of uint8 `[(n + 1) // 2]`, and their scale."""
    largest = np.maximum(np.abs(value).max(axis=inputs, keepdims=True), 1e-12) / _MOST_STEPS
    scales = [(share * largest).astype(np.float32) for share in _CLIPS]
    steps = [np.clip(np.round(value / scale), -_MOST_STEPS, _MOST_STEPS) for scale in scales]
    errors = [
        np.square(each * scale - value).sum(axis=inputs, keepdims=True)
        for each, scale in zip(steps, scales, strict=True)
    ]
    best = np.argmin(errors, axis=0)[None]
    scale, numbers = (np.take_along_axis(np.stack(each), best, axis=0)[0] for each in (scales, steps))
    flat = (numbers.astype(np.int8) + _MOST_STEPS + 1).astype(np.uint8).reshape(-1)
    flat = np.append(flat, np.zeros(len(flat) % 2, np.uint8))
    return flat[::2] | flat[1::2] << 4, scale


def _added(key: str, value: np.ndarray, tensors: Mapping[str, np.ndarray], bases: Mapping[str, Any]) -> np.ndarray:
    """Return the sum of a base and a difference; ValueError when the base is missing or the difference does not fit."""
    name = key.removesuffix(_DIFFERENCE)
    base, scale = bases.get(name), tensors.get(name + _SCALE)
    if base is None or scale is None:
        raise ValueError(f"{key} is a difference, and its base or its scale is missing")
    if value.shape != ((base.size + 1) // 2,) or value.dtype != np.uint8 or not np.isfinite(scale).all():
        raise ValueError(f"{key} is not a difference from a tensor {list(base.shape)}")
    _check_scale(key, base.shape, scale)
    steps = np.stack([value & 15, value >> 4], axis=-1).reshape(-1)[: base.size].reshape(base.shape)
    return base + (steps.astype(np.float32) - (_MOST_STEPS + 1)) * scale


def unpack(data: bytes, name: Path | str, *, base: dict | None = None) -> dict:
    """Return the nested float32 parameters in the bytes of a file that `pack` made.

    Matrices that are stored as float32 are views of these bytes, which cannot be written to.

    Args:
        data: content of the file.
        name: how the message calls it.
        base: parameters that differences are added to.

    Raises:
        RequestError: these are not the bytes of a safetensors file, or a number in it is NaN or infinite.
    """
    try:
        tensors, bases = _views(data), flattened(base or {})
        flat = {
            key.removesuffix(_DIFFERENCE): _added(key, value, tensors, bases)
            if key.endswith(_DIFFERENCE)
            else _widened(key, value, tensors)
            for key, value in tensors.items()
            if not key.endswith(_SCALE)
        }
        return nested(flat)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RequestError(f"{name} is not a valid safetensors file ({reason(error)}); fetch it again") from error


def header(data: bytes | mmap) -> tuple[int, dict[str, Any]]:
    """Return where the numbers of a safetensors file begin, and the entry of each tensor in its header, by name.

    Eight bytes give the length of the header, which is JSON: for each name the type, the shape, and the place of its
    numbers after the header. ValueError when there is no such header.
    """
    length = int.from_bytes(data[:8], "little")
    if not 2 <= length <= len(data) - 8:
        raise ValueError(f"its header of {length} bytes lies outside of it")
    entries = json.loads(data[8 : 8 + length])
    entries.pop("__metadata__", None)
    return 8 + length, entries


def shapes(path: Path, base: Mapping[str, tuple[int, ...]] | None = None) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the parameters that `unpack` reads from a file, by name; only its header is read.

    Args:
        path: a file that `pack` made.
        base: the shapes of the parameters that differences are added to.

    Raises:
        RequestError: there is no such file, or it has no such header.
    """
    try:
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            entries = header(data)[1]
        found = {key: tuple(about["shape"]) for key, about in entries.items() if not key.endswith(_SCALE)}
        changed = {key: key.removesuffix(_DIFFERENCE) for key in found if key.endswith(_DIFFERENCE)}
        return {key: shape for key, shape in found.items() if key not in changed} | {
            name: (base or {})[name] for name in changed.values()
        }
    except FileNotFoundError:
        raise RequestError(f"{path} is missing; fetch the model again") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RequestError(f"{path} is no sound safetensors file ({reason(error)}); fetch it again") from error


def _views(data: bytes) -> dict[str, np.ndarray]:
    """Return the tensors of a file as views of its bytes; safetensors' own reader of bytes copies them all."""
    (begin, entries), tensors = header(data), {}
    for key, about in entries.items():
        dtype, shape, (start, end) = np.dtype(_TYPES[about["dtype"]]), about["shape"], about["data_offsets"]
        count = math.prod(shape)
        if not 0 <= start <= end <= len(data) - begin or end - start != count * dtype.itemsize:
            raise ValueError(f"{shown(key)} lies outside of it")
        tensors[key] = np.frombuffer(data, dtype, count, begin + start).reshape(shape)
    return tensors


def _widened(key: str, value: np.ndarray, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return a tensor as float32, times its scale if it has one; ValueError when a number is NaN or infinite."""
    scale = tensors.get(key + _SCALE)
    if scale is not None:
        _check_scale(key, value.shape, scale)
    wide = value.astype(np.float32, copy=False) if scale is None else np.multiply(value, scale, dtype=np.float32)
    # With int8 only the scales can be wrong, and there are far fewer of them. The largest product is 127 scales.
    checked = wide if scale is None or value.dtype != np.int8 else 127 * np.asarray(scale, np.float32)
    if not np.isfinite(checked).all():
        raise ValueError(f"{key} holds NaN or infinite numbers")
    return wide


def _check_scale(key: str, shape: tuple[int, ...], scale: np.ndarray) -> None:
    """Check that a scale fits a tensor of this shape; ValueError if not."""
    if np.broadcast_shapes(shape, scale.shape) != shape:
        raise ValueError(f"the scale of {key} has the shape {list(scale.shape)}, the tensor {list(shape)}")


def flattened(params: dict, *, separator: str = "/") -> dict[str, Any]:
    """Return the leaves of nested dicts by their names, joined from the outermost key to the innermost."""
    flat = {}
    for name, value in params.items():
        if isinstance(value, dict):
            flat |= {f"{name}{separator}{rest}": leaf for rest, leaf in flattened(value, separator=separator).items()}
        else:
            flat[name] = value
    return flat


def nested(flat: Mapping[str, Any], *, separator: str = "/") -> dict:
    """Return nested dicts of leaves that `flattened` named; ValueError when no nested dicts have these names."""
    params: dict = {}
    for name, leaf in flat.items():
        *parents, last = name.split(separator)
        inner = params
        for parent in parents:
            inner = inner.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise ValueError(f"{shown(name)} lies inside another tensor")
        if len(parents) > _MOST_LEVELS or last in inner:
            raise ValueError(f"{shown(name)} is not the name of a parameter")
        inner[last] = leaf
    return params


@cache
def load_params(path: Path) -> dict:
    """Return the nested parameters of a judge's file, whose names are joined by dots; a file is read once."""
    return nested(load_file(path), separator=".")


def save_params(params: dict, path: Path) -> None:
    """Write nested parameters as `load_params` reads them, whole or not at all."""
    tensors = {name: np.asarray(leaf, order="C") for name, leaf in flattened(params, separator=".").items()}
    write_bytes(path, save(tensors))
