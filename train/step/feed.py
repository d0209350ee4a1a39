"""Batches on a mesh: of each a process reads the rows that lie on its devices, and all make up one global array.

In: a mesh, and one process's shares of the batches. Out: an iterator of batches as global arrays, whose position is
that of the shares. Row i of a batch is its example i, whatever the number of processes.
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
    """This process's share. Processes whose devices hold the same rows, as along a tensor axis, read the same."""
    rows: dict[int, set[int]] = {}
    where = sharding.of_batch(mesh).devices_indices_map((sharding.batch_parts(mesh),))
    for device, (part,) in where.items():
        rows.setdefault(device.process_index, set()).add(part.start or 0)
    shares = sorted({tuple(sorted(parts)) for parts in rows.values()})
    return Share(shares.index(tuple(sorted(rows[jax.process_index()]))), len(shares))


def check_size(name: str, size: int, mesh: Mesh) -> None:
    """RequestError unless `size` examples, the batch size called `name`, divide over the mesh."""
    if size % (parts := sharding.batch_parts(mesh)):
        raise RequestError(f"{name} {size} does not divide over {parts} devices; take a multiple of that")


def place(batch: Any, mesh: Mesh) -> Any:
    """A process's share of a batch, a pytree of numpy arrays, as global arrays."""
    where = sharding.of_batch(mesh)
    return jax.tree.map(lambda rows: jax.make_array_from_process_local_data(where, rows), batch)


class DataIterator(Protocol):
    """Batches, and the position among them as JSON values, as Grain's iterators have them."""

    def __next__(self) -> Any: ...

    def get_state(self) -> Any: ...

    def set_state(self, state: Any) -> None: ...


class Feed:
    """The batches of a process's shares, one after the other, as global arrays: a `DataIterator`.

    The position is the number of batches taken: the same on every process, and for any number of them.
    """

    def __init__(self, shares: DataIterator, mesh: Mesh) -> None:
        self._shares, self._mesh = shares, mesh

    def __next__(self) -> Any:
        return place(next(self._shares), self._mesh)

    def get_state(self) -> Any:
        return self._shares.get_state()

    def set_state(self, state: Any) -> None:
        self._shares.set_state(state)
