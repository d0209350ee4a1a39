"""Weights in files: nested dicts of arrays to safetensors and back, in float32, bfloat16 or int8.

int8 is symmetric with one scale for each output channel (`NAME.scale` beside `NAME`); vectors stay float32. Reading
gives float32 whatever the file holds. The sha256 of every file is checked by `model.py`: a flipped bit inside a
safetensors payload would load in silence.
"""

import os
from functools import cache
from pathlib import Path
from typing import Literal

import ml_dtypes
import numpy as np
from flax import traverse_util
from safetensors import SafetensorError, deserialize
from safetensors.numpy import load_file, save, save_file

from reelm.errors import RequestError

StoredType = Literal["float32", "bfloat16", "int8"]
_SCALE = ".scale"
_TYPES = {"F32": np.float32, "BF16": ml_dtypes.bfloat16, "I8": np.int8}  # safetensors' own reader lacks bfloat16


def pack(params: dict, dtype: StoredType) -> bytes:
    """A safetensors file of nested parameters, matrices stored as `dtype`."""
    tensors: dict[str, np.ndarray] = {}
    for name, leaf in traverse_util.flatten_dict(params, sep="/").items():
        value = np.asarray(leaf, np.float32)
        if value.ndim < 2 or dtype == "float32":
            tensors[name] = value
        elif dtype == "bfloat16":
            tensors[name] = value.astype(ml_dtypes.bfloat16)
        else:
            # Stacked layers keep their own scales: their leading axis is no input of the matrix.
            inputs = tuple(range(1 if name.startswith("layers/") and value.ndim > 2 else 0, value.ndim - 1))
            scale = np.maximum(np.abs(value).max(axis=inputs, keepdims=True), 1e-12) / 127
            tensors[name] = np.round(value / scale).astype(np.int8)
            tensors[name + _SCALE] = scale.astype(np.float32)
    return save(tensors)


def unpack(data: bytes, name: Path | str) -> dict:
    """Nested float32 parameters of a file's bytes; RequestError when they are no safetensors file."""
    try:
        tensors = {
            key: np.frombuffer(tensor["data"], _TYPES[tensor["dtype"]]).reshape(tensor["shape"])
            for key, tensor in deserialize(data)
        }
    except (SafetensorError, ValueError, KeyError) as error:
        raise RequestError(f"{name} is no sound safetensors file ({error}); fetch it again") from error
    flat = {}
    for key, value in tensors.items():
        if not key.endswith(_SCALE):
            scale = tensors.get(key + _SCALE)
            flat[key] = value.astype(np.float32) * (1 if scale is None else scale)
    return traverse_util.unflatten_dict(flat, sep="/")


@cache
def load_params(path: Path) -> dict:
    """A nested dict of float32 {layer: {leaf: array}}, read once."""
    params: dict = {}
    for name, value in load_file(path).items():
        layer, leaf = name.split(".")
        params.setdefault(layer, {})[leaf] = value
    return params


def save_params(params: dict, path: Path) -> None:
    """Writes params of that form, whole or not at all."""
    tensors = {f"{layer}.{leaf}": np.asarray(x) for layer, leaves in params.items() for leaf, x in leaves.items()}
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    save_file(tensors, temporary)
    temporary.replace(path)
