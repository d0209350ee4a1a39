"""Sharding: ordered rules from the names of leaves to mesh axes, and mesh axes for the axes of activations.

In: a mesh; a tree of parameters, a train state or a batch, or only their shapes. Out: trees of `NamedSharding`; and
activations constrained to their place, in a program that is traced under `jax.set_mesh`. The maths knows nothing of
devices: XLA inserts the transfers.

Some matrices hold several parts side by side: queries, keys and values; gate and up. If columns were cut, a device
would hold the queries of some heads and the keys of others. So a state cuts them along their rows, with columns in the
order that all meshes and files share. For use, `parameters.arrange` puts each device's columns of all parts together.
"""

import math
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from .mesh import AXES

Axes = tuple[str | tuple[str, ...] | None, ...]
Rules = tuple[tuple[str, Axes], ...]

# The first pattern found in a leaf's path decides the mesh axes of its last array axes. Axes before them stay whole.
RULES: Rules = (
    (r"/(qkv|gate_up)/kernel$", (("fsdp", "tensor"), None)),
    (r"(^|/)(attention/out|down)/kernel$", ("tensor", "fsdp")),
    (
        r"(^|/)(rows|bits|embedding|text/kernel|control/kernel)$",
        (None, ("fsdp", "tensor")),
    ),  # tables, and the matrices of what is added to one: text embeddings, the control field
    (r"(^|/)(transform|deblocking)/", ()),  # of a video tokenizer: fitted, and not trained
    (r"/kernel$", ("fsdp", None)),  # of the tokenizers: inputs x outputs, behind the taps of a convolution
    (r"/(bias|scale|mix)$", ()),
    (r"(^|/)(step|key|count|real|made)$", ()),
    (r"/ns_coeffs$", ()),
)
# The same for parameters that `parameters.py` made ready for use. Tables are gathered, for any row may be read.
RULES_IN_USE: Rules = (
    (r"/(qkv|gate_up)/kernel$", ("fsdp", "tensor")),
    (r"(^|/)(rows|bits|table|embedding|text/kernel|control/kernel)$", (None, "tensor")),
    *RULES,
)

BATCH_AXES = ("data", "fsdp")
# The mesh axes of an activation's axis, by what that axis counts.
_ACTIVATIONS = {"batch": BATCH_AXES, "slots": ("sequence",), "heads": ("tensor",), "hidden": ("tensor",)}


def of_state(state: Any, mesh: Any, rules: Rules = RULES) -> Any:
    """Return the shardings of a train state, or of only parameters. An axis that the mesh does not divide stays whole.

    Raises:
        LookupError: no rule fits the name of a leaf.
    """

    def sharding(path: tuple, leaf: Any) -> NamedSharding:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        for pattern, axes in rules:
            if re.search(pattern, name):
                sizes = leaf.shape[leaf.ndim - len(axes) :]
                pairs = zip(axes, sizes, strict=True)
                divided = [axis if axis and size % _parts(mesh, axis) == 0 else None for axis, size in pairs]
                return NamedSharding(mesh, PartitionSpec(*[None] * (leaf.ndim - len(axes)), *divided))
        raise LookupError(f"no sharding rule matches {name}")

    return jax.tree_util.tree_map_with_path(sharding, state)


def of_batch(mesh: Mesh) -> NamedSharding:
    """Return the sharding of every array of a batch: cut along its first axis."""
    return NamedSharding(mesh, PartitionSpec(BATCH_AXES))


def whole(mesh: Mesh) -> NamedSharding:
    """Return the sharding of a replicated array."""
    return NamedSharding(mesh, PartitionSpec())


def batch_parts(mesh: Mesh) -> int:
    """Return the number of parts that a batch is cut into."""
    return _parts(mesh, BATCH_AXES)


def tensor_parts() -> int:
    """Return the number of parts that matrices are cut into in the program being traced; 1 without a mesh."""
    mesh = _mesh()
    return 1 if mesh is None else mesh.shape["tensor"]


def constrain(x: jax.Array, *axes: str | None) -> jax.Array:
    """Constrain an activation to its place on the mesh of the program being traced; without a mesh return `x` itself.

    Rows that the mesh does not divide, such as a single clip, are replicated.

    Args:
        x: any array.
        axes: what each axis counts: "batch", "slots", "heads", "hidden", or None for an axis that stays whole.
    """
    mesh = _mesh()
    if mesh is None:
        return x
    names = [_ACTIVATIONS[name] if name else None for name in axes]
    names = [
        None if name is BATCH_AXES and size % _parts(mesh, BATCH_AXES) else name
        for name, size in zip(names, x.shape, strict=True)
    ]
    return jax.lax.with_sharding_constraint(x, PartitionSpec(*names))


def constrain_rows(tree: Any) -> Any:
    """Constrain arrays whose first axis counts "batch", and whose others stay whole."""
    return jax.tree.map(lambda leaf: constrain(leaf, "batch", *[None] * (leaf.ndim - 1)), tree)


def constrain_params(params: Any) -> Any:
    """Constrain parameters made ready for use to their place on the mesh of the program being traced."""
    return _constrained(params, lambda axes: axes)


def gather(params: Any) -> Any:
    """Gather parameters that are read next over fsdp, on the mesh of the program being traced.

    The program must do this itself. When batch and matrix are both cut along one axis, XLA's own plan gave wrong sums
    for some sizes (jax 0.12 on the CPU).
    """

    def without_fsdp(axes: Any) -> Any:
        kept = tuple(axis for axis in (axes if isinstance(axes, tuple) else (axes,)) if axis != "fsdp")
        return kept if any(kept) else None

    return _constrained(params, without_fsdp)


def _constrained(params: Any, cut: Callable[[Any], Any]) -> Any:
    """Constrain each axis of prepared parameters to the mesh axes that `cut` returns for it."""
    mesh = _mesh()
    if mesh is None:
        return params

    def constrained(leaf: jax.Array, where: NamedSharding) -> jax.Array:
        return jax.lax.with_sharding_constraint(leaf, PartitionSpec(*map(cut, where.spec)))

    return jax.tree.map(constrained, params, of_state(params, mesh, RULES_IN_USE))


def _mesh() -> Any:
    """Return the mesh of the program being traced, if it has the axes of `MeshSpec` and leaves them to XLA."""
    mesh = jax.sharding.get_abstract_mesh()
    # In `shard_map` axes are manual. On a mesh with other axes only XLA decides.
    ours = not mesh.empty and {*AXES} <= {*mesh.auto_axes}
    return mesh if ours and mesh.size > 1 else None


def _parts(mesh: Any, axes: str | tuple[str, ...]) -> int:
    return math.prod(mesh.shape[axis] for axis in ((axes,) if isinstance(axes, str) else axes))


def split(x: jax.Array, sizes: tuple[int, ...], shards: int) -> list[jax.Array]:
    """Return the parts of `[..., sum(sizes)]`, a row of `shards` shards each of which holds a share of every part."""
    ends = [sum(sizes[: i + 1]) // shards for i in range(len(sizes) - 1)]
    parts = jnp.split(x.reshape(*x.shape[:-1], shards, -1), ends, axis=-1)
    return [part.reshape(*x.shape[:-1], -1) for part in parts]


def join(parts: list[jax.Array], shards: int) -> jax.Array:
    """Return parts side by side, shard after shard; the inverse of `split`."""
    cut = [part.reshape(*part.shape[:-1], shards, -1) for part in parts]
    return jnp.concatenate(cut, axis=-1).reshape(*parts[0].shape[:-1], -1)
