"""The devices of a run as a mesh with named axes.

In: how many devices each axis takes, -1 for what is left. Out: a `jax.sharding.Mesh`. What lies along which axis is in
`sharding.py`.
"""

import math
from dataclasses import asdict, dataclass

import jax
from jax.sharding import AxisType, Mesh

from reelm.tokenizer.request import RequestError


@dataclass(frozen=True, kw_only=True)
class MeshSpec:
    """Devices along each axis; one axis may be -1, the rest.

    Attributes:
        data: copies of the model, each with its part of the batch.
        fsdp: parts that every batch and all parameters are cut into; parameters are gathered when they are used.
    """

    data: int = -1
    fsdp: int = 1

    def __post_init__(self):
        sizes = asdict(self)
        bad = [f"{name}={size}" for name, size in sizes.items() if size < 1 and size != -1]
        if bad or list(sizes.values()).count(-1) > 1:
            raise RequestError(f"a mesh axis is at least 1, and one may be -1, not {', '.join(bad) or 'two of them'}")

    def build(self) -> Mesh:
        """The mesh over this process's devices; RequestError naming the axis when they do not divide."""
        sizes, count = asdict(self), jax.device_count()
        fixed = math.prod(size for size in sizes.values() if size > 0)
        free = next((name for name, size in sizes.items() if size == -1), None)
        if count % fixed or (free is None and fixed != count):
            wanted = " x ".join(f"{name} {size}" for name, size in sizes.items())
            legal = ", ".join(str(n) for n in range(1, count + 1) if count % n == 0)
            raise RequestError(f"a mesh of {wanted} does not fit {count} devices; an axis can take {legal}")
        if free is not None:
            sizes[free] = count // fixed
        return jax.make_mesh(tuple(sizes.values()), tuple(sizes), axis_types=(AxisType.Auto,) * len(sizes))
