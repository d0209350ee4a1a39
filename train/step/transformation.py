"""The transformation of gradients that `OptimizerConfig.build` makes, and which parameters each of its parts takes."""

from collections.abc import Callable
from typing import Any

import jax
import optax
import optax.contrib


class Optimizer(optax.GradientTransformation):
    """A transformation that knows its learning rates.

    Attributes:
        rates: from its state to the learning rates of the next update, by the names that a log shows.
    """

    rates: Callable[[Any], dict[str, jax.Array]]

    def __new__(cls, init: Any, update: Any, rates: Callable[[Any], dict[str, jax.Array]]) -> "Optimizer":
        made = super().__new__(cls, init, update)
        made.rates = rates
        return made


def is_matrix(params: Any) -> Any:
    """For each parameter whether it decays: a matrix or a kernel, and not a scale or a bias."""
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


def muon_axes(params: Any) -> Any:
    """For each kernel its input and output axis, None for what Adam keeps; stacked layers have an axis in front."""

    def axes(path: tuple, leaf: jax.Array) -> optax.contrib.MuonDimensionNumbers | None:
        if path[-1].key != "kernel":
            return None
        return optax.contrib.MuonDimensionNumbers(reduction_axis=leaf.ndim - 2, output_axis=leaf.ndim - 1)

    return jax.tree_util.tree_map_with_path(axes, params)
