"""One update of a training state: gradients, clipping, averages."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import optax
import optax.contrib

from .state import TrainState
from .transformation import Optimizer

State = TypeVar("State", bound=TrainState)


def make_step(
    loss: Callable[[Any, Any, jax.Array, jax.Array], tuple[jax.Array, dict[str, jax.Array]]],
    optimizer: Optimizer,
    ema: float,
    layout: Any = None,
    accumulate: int = 1,
) -> Callable[[TrainState, Any], tuple[TrainState, dict[str, jax.Array]]]:
    """Return one jitted update that donates the state.

    Args:
        loss: `(params, batch, key, step) -> (scalar loss, scalar metrics)`; the key differs at every step.
        optimizer: the optimizer of `TrainState.opt_state`.
        ema: decay of the moving average.
        layout: shardings of the state on a mesh; None leaves them to XLA.
        accumulate: number of equal parts of a batch that go through the loss one after another, to save memory.

    Returns:
        `(state, batch) -> (state, metrics)`, the learning rates among the metrics. When the loss or the gradient is
        not finite, only `step` changes and `metrics["skipped"]` is 1.
    """

    def step(state: TrainState, batch: Any) -> tuple[TrainState, dict[str, jax.Array]]:
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        (value, metrics), gradient = value_and_gradient(loss, state.params, batch, key, state.step, accumulate)
        norm = optax.tree.norm(gradient)
        sound = jnp.isfinite(value) & jnp.isfinite(norm)
        after = follow(state, gradient, optimizer, ema)
        rates = optimizer.rates(state.opt_state)
        state = chosen(sound, after, state).replace(step=state.step + 1)
        return state, {"loss": value, **metrics, "gradient_norm": norm, **rates, "skipped": 1.0 - sound}

    return jax.jit(step, donate_argnums=0, out_shardings=None if layout is None else (layout, None))


def value_and_gradient(
    loss: Callable[..., tuple[jax.Array, dict[str, jax.Array]]],
    params: Any,
    batch: Any,
    key: jax.Array,
    step: jax.Array,
    accumulate: int = 1,
) -> tuple[tuple[jax.Array, dict[str, jax.Array]], Any]:
    """Return ((loss, metrics), gradient) of a batch, as means over its parts; see `make_step`."""
    of = jax.value_and_grad(loss, has_aux=True)
    if accumulate == 1:
        return of(params, batch, key, step)

    # A part takes every n-th example, so that it has the sharding of the whole batch.
    parts = jax.tree.map(lambda x: x.reshape(len(x) // accumulate, accumulate, *x.shape[1:]).swapaxes(0, 1), batch)

    def add(sums: Any, part: tuple[Any, jax.Array]) -> tuple[Any, None]:
        found = of(params, part[0], jax.random.fold_in(key, part[1]), step)
        return jax.tree.map(jnp.add, sums, found), None

    first = jax.tree.map(lambda x: x[0], parts)
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(of, params, first, key, step))
    sums, _ = jax.lax.scan(add, zeros, (parts, jnp.arange(accumulate)))
    return jax.tree.map(lambda x: x / accumulate, sums)


def follow(state: State, gradient: Any, optimizer: optax.GradientTransformation, ema: float) -> State:
    """Return `state` after one update of parameters, optimizer and moving average; `step` does not change."""
    updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    # The decay warms up with the run, or the average would keep the random start for long.
    decay = jnp.minimum(ema, (1.0 + state.step) / (10.0 + state.step))
    # This form keeps parameters that do not change the same to the bit, so a frozen encoder keeps its codes.
    average = jax.tree.map(lambda old, new: old + (1 - decay) * (new - old), state.ema, params)
    return state.replace(params=params, opt_state=opt_state, ema=average)


def chosen(sound: jax.Array, new: State, old: State) -> State:
    """Return `new` if the step was `sound`, else `old`, so that one bad batch does not spoil the run."""
    return jax.tree.map(lambda a, b: jnp.where(sound, a, b), new, old)
