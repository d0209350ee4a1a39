"""What lies where on a mesh: ordered rules from the names of leaves to axes, and names for the axes of activations.

In: a mesh, a tree of parameters, a train state or a batch, or their shapes alone. Out: trees of `NamedSharding`; inside
a program that is traced under `jax.set_mesh`, activations held to their place. The maths knows nothing of devices: XLA
puts the transfers in.

Matrices that widen (queries, keys and values; gate and up) are made of parts that meet again number by number, head by
head. Cut straight along their columns a device would hold the queries of some heads and the keys of others. So the
state keeps them cut along their rows, in the order that every mesh and every file shares, and `weights.arrange` puts
each device's own columns of all parts beside each other where they are used.
"""

import math
import re
from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

Axes = tuple[str | tuple[str, ...] | None, ...]
Rules = tuple[tuple[str, Axes], ...]

# The first pattern found in a leaf's path decides: mesh axes of its last array axes, those before them whole.
RULES: Rules = (
    (r"/(qkv|gate_up)/kernel$", (("fsdp", "tensor"), None)),
    (r"(^|/)(attention/out|down)/kernel$", ("tensor", "fsdp")),
    (
        r"(^|/)(rows|bits|embedding|text/kernel)$",
        (None, ("fsdp", "tensor")),
    ),  # tables, and what adds to them
    (r"/kernel$", ("fsdp", None)),  # of the tokenizers: inputs x outputs, whatever the taps before them
    (r"/(bias|scale)$", ()),
    (r"(^|/)(step|key|count|real|made)$", ()),
    (r"/ns_coeffs$", ()),
)
# The same for parameters that `weights.py` made ready for use. Of a table any row may be asked for, so it is gathered.
RULES_IN_USE: Rules = (
    (r"/(qkv|gate_up)/kernel$", ("fsdp", "tensor")),
    (r"(^|/)(rows|bits|table|embedding|text/kernel)$", (None, "tensor")),
    *RULES,
)

BATCH_AXES = ("data", "fsdp")
# The mesh axes of an activation's axis, by what it holds.
_ACTIVATIONS = {"batch": BATCH_AXES, "slots": ("sequence",), "heads": ("tensor",), "hidden": ("tensor",)}


def of_state(state: Any, mesh: Any, rules: Rules = RULES) -> Any:
    """The shardings of a train state or of parameters alone.

    An axis that the mesh does not divide stays whole; LookupError for a new name.
    """

    def sharding(path: tuple, leaf: Any) -> NamedSharding:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        for pattern, axes in rules:
            if re.search(pattern, name):
                sizes = leaf.shape[leaf.ndim - len(axes) :]
                pairs = zip(axes, sizes, strict=True)
                divided = [axis if axis and size % _parts(mesh, axis) == 0 else None for axis, size in pairs]
                return NamedSharding(mesh, PartitionSpec(*[None] * (leaf.ndim - len(axes)), *divided))
        raise LookupError(f"no rule says where {name} lies on a mesh")

    return jax.tree_util.tree_map_with_path(sharding, state)


def of_batch(mesh: Mesh) -> NamedSharding:
    """The sharding of every array of a batch: cut along its first axis."""
    return NamedSharding(mesh, PartitionSpec(BATCH_AXES))


def whole(mesh: Mesh) -> NamedSharding:
    """The sharding of what every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def batch_parts(mesh: Mesh) -> int:
    """Parts that a batch is cut into."""
    return _parts(mesh, BATCH_AXES)


def tensor_parts() -> int:
    """Parts that matrices are cut into on the mesh of the program that is being traced; 1 without a mesh."""
    mesh = _mesh()
    return 1 if mesh is None else mesh.shape["tensor"]


def hold(x: jax.Array, *axes: str | None) -> jax.Array:
    """`x`, held to its place on the mesh of the program that is being traced: a name of what each axis holds, or None.

    Without a mesh, `x` itself. Rows that the mesh does not divide, such as a single clip, are on every device.
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


def hold_params(params: Any) -> Any:
    """Parameters made ready for use, held to their place on the mesh of the program that is being traced."""
    return _held(params, lambda axes: axes)


def gather(params: Any) -> Any:
    """Parameters that are computed with next, gathered over fsdp, on the mesh of the program that is being traced.

    Said in the program, for where batch and matrix are both cut along one axis, XLA's own plan gave wrong sums for some
    sizes (jax 0.12 on the CPU).
    """

    def without_fsdp(axes: Any) -> Any:
        kept = tuple(axis for axis in (axes if isinstance(axes, tuple) else (axes,)) if axis != "fsdp")
        return kept if any(kept) else None

    return _held(params, without_fsdp)


def _held(params: Any, cut: Callable[[Any], Any]) -> Any:
    """Parameters made ready for use, each of their axes along what `cut` makes of its mesh axes."""
    mesh = _mesh()
    if mesh is None:
        return params

    def held(leaf: jax.Array, where: NamedSharding) -> jax.Array:
        return jax.lax.with_sharding_constraint(leaf, PartitionSpec(*map(cut, where.spec)))

    return jax.tree.map(held, params, of_state(params, mesh, RULES_IN_USE))


def _mesh() -> Any:
    mesh = jax.sharding.get_abstract_mesh()
    return None if mesh.empty or mesh.size == 1 else mesh


def _parts(mesh: Any, axes: str | tuple[str, ...]) -> int:
    return math.prod(mesh.shape[axis] for axis in ((axes,) if isinstance(axes, str) else axes))
