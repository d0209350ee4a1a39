"""Train the new parameters of a model, and keep the known ones the same to the bit.

In: a loss and an optimizer, and which parameters are known. Out: a loss and an optimizer that train only the others.
The gradient of known parameters is zero, so optimizers without weight decay do not change them, and the compiler skips
the gradients of whole known matrices.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .transformation import Optimizer

_BELOW = 0.999  # factor of the largest known value, so that rounding does not exceed it


def frozen(loss: Callable[..., Any], known: Mapping[str, Any]) -> Callable[..., Any]:
    """Return the loss with a zero gradient for known parameters.

    Args:
        loss: `(params, *more) -> ...`.
        known: a part of the tree of parameters, with bools that broadcast to its arrays, or True for all of a net.
            Parameters that it lacks are trained.
    """

    def trained(params: dict, *more: Any) -> Any:
        return loss(_held(params, known), *more)

    return trained


def bounded(optimizer: Optimizer, params: Mapping[str, Any], known: Mapping[str, Any]) -> Optimizer:
    """Return an optimizer that bounds new rows of a table by the largest known values, column by column.

    A file in int8 has one scale for each column, so a larger value would change all known ones.

    Args:
        optimizer: of the whole tree.
        params: at the start of the training.
        known: as for `frozen`.
    """
    most = _most(params, known)

    def update(gradient: Any, state: Any, params: Any = None, **more: Any) -> tuple[Any, Any]:
        updates, state = optimizer.update(gradient, state, params, **more)
        return _within(updates, params, most), state

    return Optimizer(optimizer.init, update, optimizer.rates)


def _held(params: Any, known: Any) -> Any:
    if known is True:
        return jax.lax.stop_gradient(params)
    if isinstance(params, dict):
        return {name: _held(value, known[name]) if name in known else value for name, value in params.items()}
    return jnp.where(known, jax.lax.stop_gradient(params), params)


def _most(params: Any, known: Any) -> Any:
    """Return the bounds of each table that has new rows, `[rows, D]`: infinite for known rows."""
    if isinstance(known, Mapping):
        found = {name: _most(params[name], part) for name, part in known.items()}
        return {name: part for name, part in found.items() if part is not None}
    if np.all(known):
        return None
    return np.where(known, np.inf, _BELOW * np.max(np.abs(np.asarray(params)), axis=0, where=known, initial=0.0))


def _within(updates: Any, params: Any, most: Any) -> Any:
    if isinstance(updates, dict):
        parts = updates.items()
        return {name: _within(part, params[name], most[name]) if name in most else part for name, part in parts}
    return jnp.clip(params + updates, -most, most) - params
