"""The weights of the judges' small nets: nested dicts of two levels, stored as safetensors named `layer.leaf`."""

import os
from functools import cache
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file


@cache
def load(path: Path) -> dict:
    """A nested dict of float32 {layer: {leaf: array}}, read once."""
    params: dict = {}
    for name, value in load_file(path).items():
        layer, leaf = name.split(".")
        params.setdefault(layer, {})[leaf] = value
    return params


def save(params: dict, path: Path) -> None:
    """Writes params of that form, whole or not at all."""
    tensors = {f"{layer}.{leaf}": np.asarray(x) for layer, leaves in params.items() for leaf, x in leaves.items()}
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    save_file(tensors, temporary)
    temporary.replace(path)
