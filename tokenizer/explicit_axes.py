"""Run nets on meshes with explicit axes, the default of `jax.make_mesh`: inside a net, XLA chooses the shardings.

In: a function of arrays, its arguments, and the array whose first axis is the batch. Out: the results, sharded along
their first axis as that array is. Without explicit axes, the function is just called.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
from jax.sharding import NamedSharding, PartitionSpec

Result = TypeVar("Result")


def automatic(
    function: Callable[..., Result],
    *arguments: Any,
    rows: Any,
    results: Callable[[NamedSharding, NamedSharding], Any] = lambda cut, whole: cut,
) -> Result:
    """Return `function(*arguments)`.

    Args:
        function: takes arrays and trees of arrays.
        arguments: of the function.
        rows: array whose first axis is also the first axis of the results.
        results: returns the shardings of the results, given the sharding of `rows` and the replicated sharding.
    """
    here = jax.typeof(rows).sharding
    mesh = jax.sharding.get_abstract_mesh() if here.mesh.empty else here.mesh
    if mesh.empty or not mesh.explicit_axes:
        return function(*arguments)
    cut, whole = (NamedSharding(mesh, PartitionSpec(*first)) for first in (here.spec[:1], ()))
    run: Any = jax.sharding.auto_axes(function, axes=mesh.explicit_axes, out_sharding=results(cut, whole))
    return run(*arguments)
