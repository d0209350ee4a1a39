"""The parameters of a language model in the form that a program reads them in.

In: parameters as a state or a file holds them: matrices in float32, layers stacked, columns in an order that is the
same everywhere. Out: for training, columns in the order that the mesh of the program wants (`arrange`); for decoding,
layers apart, in the number format of the decoding, on the devices (`for_decoding`). Knows nothing of files.
"""

from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.typing import DTypeLike

from reelm.errors import RequestError
from reelm.lm.net.config import LMConfig
from reelm.lm.net.head import signed
from reelm.lm.net.linear import join
from reelm.lm.net.transformer import unroll

from . import sharding

Weights = Literal["float32", "bfloat16", "int8"]


def check_mesh(config: LMConfig, sizes: dict[str, int]) -> None:
    """RequestError naming an axis and its legal sizes when a net cannot be cut over a mesh of such sizes."""
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
    """Parameters with each device's columns beside each other in matrices made of parts; for 1 device nothing changes.

    shards: devices along the tensor axis.
    """
    if shards == 1:
        return params
    heads = [heads * config.head_width for heads in (config.heads, config.kv_heads, config.kv_heads)]

    def leaf(path: tuple, value: jax.Array) -> jax.Array:
        of = {"qkv": heads, "gate_up": [value.shape[-1] // 2] * 2}.get(path[-2].key)
        if of is None:
            return value
        ends = [sum(of[: i + 1]) for i in range(len(of) - 1)]
        return join(jnp.split(value, ends, axis=-1), shards)

    return jax.tree_util.tree_map_with_path(leaf, params)


def for_training(config: LMConfig, params: dict, dtype: DTypeLike) -> dict:
    """Inside a program: the parameters of a state as `transformer.score` computes with them, layers still stacked.

    Matrices take the number format of the activations before they are gathered, which halves what is sent.
    """

    def narrow(path: tuple, value: jax.Array) -> jax.Array:
        return value.astype(dtype) if path[-1].key == "kernel" else value

    params = arrange(config, jax.tree_util.tree_map_with_path(narrow, params), sharding.tensor_parts())
    return sharding.hold_params(params)


def for_decoding(config: LMConfig, params: dict, weights: Weights = "float32", mesh: Mesh | None = None) -> dict:
    """The parameters as `transformer.prefill` and `extend` want them, on the device or in shards over the mesh.

    One layer is made after another, so that float32 never lies whole on a device.

    weights: of matrices and tables; vectors stay float32. int8 has a scale for each output channel, tables are then
        bfloat16.
    """
    if mesh is not None:
        check_mesh(config, dict(mesh.shape))

    def ready(tree: dict) -> Any:
        return _converted(config, tree, weights, mesh)

    apart = unroll(params)
    layers = tuple(ready({"layers": layer})["layers"] for layer in apart["layers"])
    return {**ready({name: value for name, value in apart.items() if name != "layers"}), "layers": layers}


def _converted(config: LMConfig, tree: dict, weights: Weights, mesh: Mesh | None) -> Any:
    if mesh is None:
        return jax.tree.map(jnp.asarray, tree) if weights == "float32" else _convert(config, 1, weights, tree)
    with jax.set_mesh(mesh):
        placed = jax.device_put(tree, sharding.of_state(tree, mesh))
        return _convert(config, mesh.shape["tensor"], weights, placed)


@partial(jax.jit, static_argnames=("config", "shards", "weights"))
def _convert(config: LMConfig, shards: int, weights: Weights, tree: dict) -> Any:
    return sharding.hold_params(narrowed(arrange(config, tree, shards), weights))


def narrowed(tree: Any, weights: Weights) -> Any:
    """The tree with matrices and tables in another format: {"kernel"} may get a "scale", {"rows", "bits"} a "table"."""
    if isinstance(tree, tuple):
        return tuple(narrowed(layer, weights) for layer in tree)
    if weights == "float32" or not isinstance(tree, dict):
        return tree
    if "kernel" in tree:
        kernel = tree["kernel"]
        if weights == "bfloat16":
            return {"kernel": kernel.astype(jnp.bfloat16)}
        scale = jnp.maximum(jnp.abs(kernel).max(axis=-2), 1e-12) / 127
        return {"kernel": jnp.round(kernel / scale[..., None, :]).astype(jnp.int8), "scale": scale}
    if "rows" in tree:
        return {"table": signed(tree["rows"], tree["bits"]).astype(jnp.bfloat16)}
    if "embedding" in tree:
        return {"embedding": tree["embedding"].astype(jnp.bfloat16)}
    return {name: narrowed(value, weights) for name, value in tree.items()}
