"""Convert the parameters of a language model to the form that a program reads.

In: parameters of a state or a file: matrices in float32, layers stacked, columns in the order that all meshes and files
share. Out: for training, columns in the order of the program's mesh (`arrange`). For decoding, layers unrolled, in the
number format of decoding, on the devices (`for_decoding`). This module knows nothing of files.
"""

from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.typing import DTypeLike

from reelm.errors import RequestError
from reelm.lm.net.config import LMConfig

from . import sharding

# Of the matrices and tables that decoding reads; vectors stay float32.
NumberFormat = Literal["float32", "bfloat16", "int8"]


def check_mesh(config: LMConfig, sizes: dict[str, int]) -> None:
    """Check that a net can be cut over a mesh; RequestError names an axis and its legal sizes.

    sizes: devices along each axis.
    """
    asked = {
        "tensor": (
            sizes["tensor"],
            {"kv_heads": config.kv_heads, "hidden": config.hidden}
            | ({"sound_hidden": config.sound_hidden} if config.sound_hidden else {}),
        ),
        "fsdp x tensor": (sizes["fsdp"] * sizes["tensor"], {"width": config.width}),
    }
    for axis, (size, numbers) in asked.items():
        if any(number % size for number in numbers.values()):
            legal = [n for n in range(1, min(numbers.values()) + 1) if not any(m % n for m in numbers.values())]
            of = " and ".join(f"{name} {number}" for name, number in numbers.items())
            most = ", ".join(map(str, legal[:12])) + (" ..." if len(legal) > 12 else "")
            raise RequestError(f"mesh axis {axis} is {size}; it must divide {of}: {most}")


def arrange(config: LMConfig, params: dict, shards: int) -> dict:
    """Reorder the columns of matrices that hold several parts, so that each device's columns are contiguous.

    shards: devices along the tensor axis; for 1 nothing changes.
    """
    if shards == 1:
        return params
    heads = [heads * config.head_width for heads in (config.heads, config.kv_heads, config.kv_heads)]

    def leaf(path: tuple, value: jax.Array) -> jax.Array:
        of = {"qkv": heads, "gate_up": [value.shape[-1] // 2] * 2}.get(path[-2].key)
        if of is None or path[-1].key != "kernel":
            return value
        ends = [sum(of[: i + 1]) for i in range(len(of) - 1)]
        return sharding.join(jnp.split(value, ends, axis=-1), shards)

    return jax.tree_util.tree_map_with_path(leaf, params)


def for_training(config: LMConfig, params: dict, dtype: DTypeLike) -> dict:
    """Return the parameters of a state as `transformer.forward_all` reads them, inside a program. Layers stay stacked.

    Matrices take the number format of activations, `dtype`, before they are gathered: that halves what is sent.
    """

    def narrow(path: tuple, value: jax.Array) -> jax.Array:
        return value.astype(dtype) if path[-1].key == "kernel" else value

    params = arrange(config, jax.tree_util.tree_map_with_path(narrow, params), sharding.tensor_parts())
    return sharding.constrain_params(params)


def for_decoding(
    config: LMConfig, params: dict, number_format: NumberFormat = "float32", mesh: Mesh | None = None
) -> dict:
    """Return the parameters as `transformer.prefill` and `extend` read them, on the device or in shards over the mesh.

    Layers are converted one by one, so that a device never holds all parameters in float32.

    Args:
        config: sizes of the net.
        params: as a state or a file holds them.
        number_format: of matrices and tables. With int8 each output channel has a scale, and tables are bfloat16.
        mesh: devices to cut them over; None for one device.

    Raises:
        RequestError: the net cannot be cut over the mesh.
    """
    if mesh is not None:
        check_mesh(config, dict(mesh.shape))

    def ready(tree: dict) -> Any:
        return _converted(config, tree, number_format, mesh)

    unrolled = unroll(params)
    layers = tuple(ready({"layers": layer})["layers"] for layer in unrolled["layers"])
    return {**ready({name: value for name, value in unrolled.items() if name != "layers"}), "layers": layers}


def unroll(params: dict) -> dict:
    """Return the same parameters with `layers` as a tuple, one dict a layer, as `prefill` and `extend` read them."""
    count = jax.tree.leaves(params["layers"])[0].shape[0]

    def layer(i: int) -> dict:
        return jax.tree.map(lambda leaf: leaf[i], params["layers"])

    return {**params, "layers": tuple(map(layer, range(count)))}


def narrowed(tree: Any, number_format: NumberFormat) -> Any:
    """Return the tree with matrices and tables in a number format.

    Instead of "kernel" it may hold {"kernel", "scale"}, and "table" instead of {"rows", "bits"}.
    """
    if isinstance(tree, tuple):
        return tuple(narrowed(layer, number_format) for layer in tree)
    if not isinstance(tree, dict):
        return tree
    if "bits" in tree:  # add rows and bits once, or decoding would add them for each code
        table = signed(tree["rows"], tree["bits"])
        return {"table": table if number_format == "float32" else table.astype(jnp.bfloat16)}
    if number_format == "float32":
        return {name: narrowed(value, number_format) for name, value in tree.items()}
    narrow = {name: narrowed(value, number_format) for name, value in tree.items()}
    if "kernel" in tree and number_format == "int8":
        kernel = tree["kernel"]
        scale = jnp.maximum(jnp.abs(kernel).max(axis=-2), 1e-12) / 127
        return narrow | {"kernel": jnp.round(kernel / scale[..., None, :]).astype(jnp.int8), "scale": scale}
    return narrow | {name: tree[name].astype(jnp.bfloat16) for name in ("kernel", "embedding") if name in tree}


def signed(rows: jax.Array, vectors: jax.Array) -> jax.Array:
    """Return each row of `[2^bits, D]` plus the vectors `[bits, D]` of its bits, signed by them.

    NumPy arrays are computed on the host.
    """
    bits = len(vectors)
    signs = 2 * ((np.arange(1 << bits)[:, None] >> np.arange(bits)) & 1) - 1
    return rows + signs.astype(np.float32) @ vectors


def _converted(config: LMConfig, tree: dict, number_format: NumberFormat, mesh: Mesh | None) -> Any:
    if mesh is None:
        whole = number_format == "float32"  # on the host, where nothing is to be compiled
        return jax.device_put(narrowed(tree, number_format)) if whole else _convert(config, 1, number_format, tree)
    with jax.set_mesh(mesh):
        placed = jax.device_put(tree, sharding.of_state(tree, mesh))
        return _convert(config, mesh.shape["tensor"], number_format, placed)


@partial(jax.jit, static_argnames=("config", "shards", "number_format"))
def _convert(config: LMConfig, shards: int, number_format: NumberFormat, tree: dict) -> Any:
    return sharding.constrain_params(narrowed(arrange(config, tree, shards), number_format))
