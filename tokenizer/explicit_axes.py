"""Nets on meshes of explicit axes, those of `jax.make_mesh` by default: inside a net, XLA says where things lie.

In: a function of arrays, the arrays, and one that counts its rows. Out: its results, cut along their first axis as the
rows are. Without explicit axes the function is called, and nothing else is done.
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
        function: of arrays and of trees of arrays.
        arguments: what it is given.
        rows: array whose first axis is that of the results.
        results: the shardings of the results, from that of rows and that of what every device holds whole.
    """
    here = jax.typeof(rows).sharding
    mesh = jax.sharding.get_abstract_mesh() if here.mesh.empty else here.mesh
    if mesh.empty or not mesh.explicit_axes:
        return function(*arguments)
    cut, whole = (NamedSharding(mesh, PartitionSpec(*first)) for first in (here.spec[:1], ()))
    run: Any = jax.sharding.auto_axes(function, axes=mesh.explicit_axes, out_sharding=results(cut, whole))
    return run(*arguments)
