"""The transformation of gradients that `OptimizerConfig.build` makes, and the parameters of each of its parts."""

from collections.abc import Callable
from typing import Any

import jax
import optax
import optax.contrib


class Optimizer(optax.GradientTransformation):
    """A transformation with access to its learning rates.

    Attributes:
        rates: function from its state to the learning rates of the next update, by their names in logs.
    """

    rates: Callable[[Any], dict[str, jax.Array]]

    def __new__(cls, init: Any, update: Any, rates: Callable[[Any], dict[str, jax.Array]]) -> "Optimizer":
        made = super().__new__(cls, init, update)
        made.rates = rates
        return made


def is_matrix(params: Any) -> Any:
    """Return for each parameter whether it decays: a matrix or a kernel does, a scale or a bias does not."""
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


def muon_axes(params: Any) -> Any:
    """Return the input and output axis of each kernel, None for parameters of Adam; stacked layers add a first axis."""

    def axes(path: tuple, leaf: jax.Array) -> optax.contrib.MuonDimensionNumbers | None:
        if path[-1].key != "kernel":
            return None
        return optax.contrib.MuonDimensionNumbers(reduction_axis=leaf.ndim - 2, output_axis=leaf.ndim - 1)

    return jax.tree_util.tree_map_with_path(axes, params)
