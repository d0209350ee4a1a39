"""The devices of a run as a mesh with named axes.

In: the number of devices along each axis, -1 for the remaining ones; as fields, or as text ("data=2,fsdp=4"). Out: a
`jax.sharding.Mesh`. `sharding.py` decides which arrays are cut along which axis.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from reelm.errors import RequestError

if TYPE_CHECKING:
    from jax.sharding import Mesh


@dataclass(frozen=True, kw_only=True)
class MeshSpec:
    """Devices along each axis; one axis may be -1, which takes the remaining devices."""

    data: int = -1
    """Copies of the model. Each takes a part of the batch."""
    fsdp: int = 1
    """Parts that batch and parameters are cut into. Parameters are gathered when they are used."""
    tensor: int = 1
    """Parts that the matrices and the KV cache of a language model are cut into, by heads and hidden units."""
    sequence: int = 1
    """Parts that the slots of a sample are cut into in training a language model."""

    def __post_init__(self):
        sizes = asdict(self)
        bad = [f"{name}={size}" for name, size in sizes.items() if size < 1 and size != -1]
        if bad or list(sizes.values()).count(-1) > 1:
            raise RequestError(f"a mesh axis is at least 1, and one may be -1, not {', '.join(bad) or 'two of them'}")

    @classmethod
    def parse(cls, text: str) -> "MeshSpec":
        """Parse text such as "data=2,fsdp=4" or "tensor=-1"; data takes the remaining devices if no axis is -1."""
        sizes: dict[str, int] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, size = part.partition("=")
            if name not in AXES or name in sizes or not size.lstrip("-").isdecimal():
                raise RequestError(
                    f"{part!r} of the mesh {text!r} is not AXIS=NUMBER, once per axis; axes are {', '.join(AXES)}"
                )
            sizes[name] = int(size)
        return cls(**{"data": 1, **sizes} if -1 in sizes.values() else sizes)

    def __str__(self) -> str:
        sizes = {name: size for name, size in asdict(self).items() if size != 1} or {"data": 1}
        return ",".join(f"{name}={size}" for name, size in sizes.items())

    def check_copies(self) -> None:
        """Raise RequestError if an axis is set that only language models use."""
        for axis in ("tensor", "sequence"):
            if getattr(self, axis) != 1:
                raise RequestError(f"mesh {axis} is only for language models, here it must be 1; use data and fsdp")

    def sizes(self, devices: int) -> dict[str, int]:
        """Return the devices along each axis; RequestError names an axis that does not fit, and its legal sizes."""
        sizes = asdict(self)
        free = next((name for name, size in sizes.items() if size == -1), None)
        fixed = math.prod(size for size in sizes.values() if size > 0)
        if free is not None and devices % fixed == 0:
            return {**sizes, free: devices // fixed}
        if fixed == devices:
            return sizes
        taken = {name: size for name, size in sizes.items() if size > 1}
        axis = next((name for name, size in taken.items() if devices % size), None) or max(
            taken, key=taken.__getitem__, default="data"
        )
        rest = fixed // sizes[axis] if sizes[axis] > 0 else fixed
        legal = [n for n in range(1, devices + 1) if devices % n == 0 and (devices // n) % rest == 0]
        if free is None:
            legal = [n for n in legal if n * rest == devices]
        wanted = " x ".join(f"{name} {size}" for name, size in sizes.items())
        hint = f"{axis} can be {', '.join(map(str, legal))}" if legal else f"no {axis} fits with the others"
        raise RequestError(f"a mesh of {wanted} does not fit {devices} devices; {hint}")

    def build(self, devices: Sequence[Any] | None = None) -> "Mesh":
        """Return the mesh over these devices, or over all; RequestError as for `sizes`."""
        import jax
        from jax.sharding import AxisType

        sizes = self.sizes(jax.device_count() if devices is None else len(devices))
        axes = (AxisType.Auto,) * len(sizes)
        return jax.make_mesh(tuple(sizes.values()), tuple(sizes), axis_types=axes, devices=devices)


AXES = tuple(MeshSpec.__dataclass_fields__)
