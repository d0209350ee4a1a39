"""Batches on a mesh: each process reads the rows of its own devices, and together they form one global array.

In: a mesh, and one process's shares of the batches. Out: an iterator of batches as global arrays, with the position of
the shares. Row i of a batch is example i for any number of processes.
"""

from typing import Any, NamedTuple, Protocol

import jax
from jax.sharding import Mesh

from reelm.errors import RequestError
from reelm.lm import sharding


class Share(NamedTuple):
    """The part of every batch that this process reads, as `pipeline.batches` takes it."""

    process: int
    processes: int


def share(mesh: Mesh) -> Share:
    """Return this process's share. Processes whose devices hold the same rows, as on a tensor axis, read the same."""
    rows: dict[int, set[int]] = {}
    where = sharding.of_batch(mesh).devices_indices_map((sharding.batch_parts(mesh),))
    for device, (part,) in where.items():
        rows.setdefault(device.process_index, set()).add(part.start or 0)
    shares = sorted({tuple(sorted(parts)) for parts in rows.values()})
    return Share(shares.index(tuple(sorted(rows[jax.process_index()]))), len(shares))


def check_size(name: str, size: int, mesh: Mesh) -> None:
    """Raise RequestError unless the batch size `name`, of `size` examples, divides over the mesh."""
    if size % (parts := sharding.batch_parts(mesh)):
        raise RequestError(f"{name} {size} does not divide over {parts} devices; take a multiple of that")


def place(batch: Any, mesh: Mesh) -> Any:
    """Return global arrays from a process's share of a batch, a pytree of numpy arrays."""
    where = sharding.of_batch(mesh)
    return jax.tree.map(lambda rows: jax.make_array_from_process_local_data(where, rows), batch)


class DataIterator(Protocol):
    """An iterator of batches whose position is JSON values, like the iterators of Grain."""

    def __next__(self) -> Any: ...

    def get_state(self) -> Any: ...

    def set_state(self, state: Any) -> None: ...


class Feed:
    """A `DataIterator` that turns a process's shares of the batches into global arrays.

    The position is the number of batches taken, which is the same on every process and for any number of processes.
    """

    def __init__(self, shares: DataIterator, mesh: Mesh) -> None:
        self._shares, self._mesh = shares, mesh

    def __next__(self) -> Any:
        return place(next(self._shares), self._mesh)

    def get_state(self) -> Any:
        return self._shares.get_state()

    def set_state(self, state: Any) -> None:
        self._shares.set_state(state)
