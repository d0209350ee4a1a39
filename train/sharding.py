"""What lies where on a mesh: ordered rules from the names of a train state's leaves to axes.

In: a mesh, a state or a batch, or their shapes alone. Out: trees of `NamedSharding`. The maths of a step knows nothing
of this: XLA puts the transfers in.
"""

import re
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

# The first pattern found in a leaf's path decides: mesh axes of its last array axes, those before them whole.
RULES: tuple[tuple[str, tuple[str | None, ...]], ...] = (
    (r"/kernel$", ("fsdp", None)),  # of inputs x outputs, whatever the taps before them
    (r"/(bits|rows|embedding)$", (None, "fsdp")),  # of symbols x width
    (r"/(bias|scale)$", ()),
    (r"(^|/)(step|key|count|real|made)$", ()),
    (r"/ns_coeffs$", ()),
)

BATCH_AXES = ("data", "fsdp")


def of_state(state: Any, mesh: Mesh) -> Any:
    """The shardings of a train state. An axis that the mesh does not divide stays whole; LookupError for a new name."""

    def sharding(path: tuple, leaf: Any) -> NamedSharding:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        for pattern, axes in RULES:
            if re.search(pattern, name):
                sizes = leaf.shape[leaf.ndim - len(axes) :]
                pairs = zip(axes, sizes, strict=True)
                divided = [axis if axis and size % mesh.shape[axis] == 0 else None for axis, size in pairs]
                return NamedSharding(mesh, PartitionSpec(*[None] * (leaf.ndim - len(axes)), *divided))
        raise LookupError(f"no rule says where {name} lies on a mesh")

    return jax.tree_util.tree_map_with_path(sharding, state)


def of_batch(mesh: Mesh) -> NamedSharding:
    """The sharding of every array of a batch: cut along its first axis, over all devices."""
    return NamedSharding(mesh, PartitionSpec(BATCH_AXES))


def whole(mesh: Mesh) -> NamedSharding:
    """The sharding of what every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())
