"""Bytes of a language model before it exists: its weights, its KV cache, its training.

In: sizes of the net, of a sample, of a mesh. Out: numbers. Nothing is allocated.
"""

import math
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import jax
from jax.sharding import AbstractMesh, AxisType

from reelm.lm.net.config import LMConfig

from . import sharding
from .parameters import NumberFormat, narrowed, unroll

_ONE = {"data": 1, "fsdp": 1, "tensor": 1, "sequence": 1}


def weight_bytes(config: LMConfig, number_format: NumberFormat, mesh: Mapping[str, int] = _ONE) -> int:
    """Return the bytes of the parameters for decoding on each device of a mesh, given as devices along each axis."""
    shapes = jax.eval_shape(lambda params: narrowed(unroll(params), number_format), _shapes(config))
    return _bytes_of_each(shapes, mesh, sharding.RULES_IN_USE)


def cache_bytes(config: LMConfig, slots: int, rows: int, itemsize: int, mesh: Mapping[str, int] = _ONE) -> int:
    """Return the bytes of the KV cache on each device of a mesh. Guidance takes two rows a clip."""
    heads = config.kv_heads // mesh["tensor"] if config.kv_heads % mesh["tensor"] == 0 else config.kv_heads
    parts = mesh["data"] * mesh["fsdp"]
    rows = rows // parts if rows % parts == 0 else rows
    return 2 * config.layers * rows * slots * heads * config.head_width * itemsize


def training_bytes(
    config: LMConfig,
    create: Callable[[dict], Any],
    samples: int,
    slots: int,
    itemsize: int,
    mesh: Mapping[str, int] = _ONE,
) -> dict[str, int]:
    """Return the bytes on each device while training: {"state", "gradient", "activations"}.

    Activations between layers are kept ("full" of `net.config.Remat`). During the backward pass of a layer its own are
    kept, too: about the widths of its matrices. Attention is fused, so scores are not.

    Args:
        config: sizes of the net.
        create: parameters to the state, which includes them.
        samples: samples that go through the net at once, over all devices.
        slots: slots of a sample.
        itemsize: bytes of an activation.
        mesh: devices along each axis.
    """
    shapes = _shapes(config)
    state = _bytes_of_each(jax.eval_shape(create, shapes), mesh, sharding.RULES)
    tokens = samples * slots / (mesh["data"] * mesh["fsdp"] * mesh["sequence"])
    heads = (config.heads + 2 * config.kv_heads) * config.head_width
    inside = 4 * config.width + (2 * heads + 3 * config.hidden) / mesh["tensor"]
    kept = tokens * itemsize * (config.layers * config.width + 2 * inside)
    values = sum(2**bits for bits in config.split("video"))
    logits = tokens * 4 * 2 * values
    return {
        "state": state,
        "gradient": _bytes_of_each(shapes, mesh, sharding.RULES),
        "activations": math.ceil(kept + logits),
    }


@cache
def _shapes(config: LMConfig) -> dict:
    from reelm.lm.net.transformer import init_params

    return jax.eval_shape(partial(init_params, config), jax.random.key(0))


def _bytes_of_each(shapes: Any, mesh: Mapping[str, int], rules: sharding.Rules) -> int:
    abstract = AbstractMesh(tuple(mesh.values()), tuple(mesh), axis_types=(AxisType.Auto,) * len(mesh))
    layout = sharding.of_state(shapes, abstract, rules)
    leaves = zip(jax.tree.leaves(shapes), jax.tree.leaves(layout), strict=True)
    return sum(math.prod(where.shard_shape(leaf.shape)) * leaf.dtype.itemsize for leaf, where in leaves)
