"""The optimizer: AdamW or Muon under a warm-up and a cosine, and the guarded step that applies it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import optax
import optax.contrib

from .state import TrainState

State = TypeVar("State", bound=TrainState)


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """How parameters follow their gradients.

    Attributes:
        learning_rate: peak, reached after `warmup` steps; it falls along a cosine to `final` of it at the last step.
        betas: decay of Adam's two moments.
        weight_decay: on matrices and kernels, not on scales and biases.
        clip: largest global norm of a gradient.
        ema: decay of the moving average of the parameters, which is what is sampled and shipped.
        muon: peak learning rate of Muon (arXiv 2502.16982) for the matrices between layers, on the same schedule; Adam
            keeps embeddings, output tables, scales and biases. 0 gives every parameter to Adam.
    """

    learning_rate: float = 1e-3
    warmup: int = 100
    final: float = 0.02
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    clip: float = 1.0
    ema: float = 0.999
    muon: float = 0.0

    def build(self, steps: int) -> optax.GradientTransformation:
        """The transformation of a run of `steps` updates."""
        adamw = optax.adamw(
            self._schedule(self.learning_rate, steps), *self.betas, weight_decay=self.weight_decay, mask=_is_matrix
        )
        if not self.muon:
            return optax.chain(optax.clip_by_global_norm(self.clip), adamw)
        muon = optax.contrib.muon(
            self._schedule(self.muon, steps),
            weight_decay=self.weight_decay,
            adam_learning_rate=self._schedule(self.learning_rate, steps),
            adam_b1=self.betas[0],
            adam_b2=self.betas[1],
            muon_weight_dimension_numbers=_muon_axes,
        )
        return optax.chain(optax.clip_by_global_norm(self.clip), muon)

    def _schedule(self, peak: float, steps: int) -> optax.Schedule:
        warmup = min(self.warmup, steps // 2)
        return optax.warmup_cosine_decay_schedule(0.0, peak, warmup, steps, self.final * peak)


def _is_matrix(params: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


def _muon_axes(params: Any) -> Any:
    """For each kernel its input and output axis, None for what Adam keeps; stacked layers have an axis in front."""

    def axes(path: tuple, leaf: jax.Array) -> optax.contrib.MuonDimensionNumbers | None:
        if path[-1].key != "kernel":
            return None
        return optax.contrib.MuonDimensionNumbers(reduction_axis=leaf.ndim - 2, output_axis=leaf.ndim - 1)

    return jax.tree_util.tree_map_with_path(axes, params)


def make_step(
    loss: Callable[[Any, Any, jax.Array, jax.Array], tuple[jax.Array, dict[str, jax.Array]]],
    optimizer: optax.GradientTransformation,
    ema: float,
    layout: Any = None,
    accumulate: int = 1,
) -> Callable[[TrainState, Any], tuple[TrainState, dict[str, jax.Array]]]:
    """One jitted update, the state donated.

    Args:
        loss: `(params, batch, key, step) -> (scalar loss, scalar metrics)`; the key differs at every step.
        optimizer: what `TrainState.opt_state` belongs to.
        ema: decay of the moving average.
        layout: shardings of the state on a mesh; None leaves them to XLA.
        accumulate: parts of equal size that a batch goes through the loss in, one after another, to save memory.

    Returns:
        `(state, batch) -> (state, metrics)`. When the loss or the gradient is not finite nothing but `step` changes and
        `metrics["skipped"]` is 1.
    """

    def step(state: TrainState, batch: Any) -> tuple[TrainState, dict[str, jax.Array]]:
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        (value, metrics), gradient = value_and_gradient(loss, state.params, batch, key, state.step, accumulate)
        norm = optax.tree.norm(gradient)
        sound = jnp.isfinite(value) & jnp.isfinite(norm)
        after = follow(state, gradient, optimizer, ema)
        state = chosen(sound, after, state).replace(step=state.step + 1)
        return state, {"loss": value, **metrics, "gradient_norm": norm, "skipped": 1.0 - sound}

    return jax.jit(step, donate_argnums=0, out_shardings=None if layout is None else (layout, None))


def value_and_gradient(
    loss: Callable[..., tuple[jax.Array, dict[str, jax.Array]]],
    params: Any,
    batch: Any,
    key: jax.Array,
    step: jax.Array,
    accumulate: int = 1,
) -> tuple[tuple[jax.Array, dict[str, jax.Array]], Any]:
    """((loss, metrics), gradient) of a batch, as means over its parts; see `make_step`."""
    of = jax.value_and_grad(loss, has_aux=True)
    if accumulate == 1:
        return of(params, batch, key, step)

    # Every n-th example, so that a part lies on the devices as the whole does.
    parts = jax.tree.map(lambda x: x.reshape(len(x) // accumulate, accumulate, *x.shape[1:]).swapaxes(0, 1), batch)

    def add(sums: Any, part: tuple[Any, jax.Array]) -> tuple[Any, None]:
        found = of(params, part[0], jax.random.fold_in(key, part[1]), step)
        return jax.tree.map(jnp.add, sums, found), None

    first = jax.tree.map(lambda x: x[0], parts)
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(of, params, first, key, step))
    sums, _ = jax.lax.scan(add, zeros, (parts, jnp.arange(accumulate)))
    return jax.tree.map(lambda x: x / accumulate, sums)


def follow(state: State, gradient: Any, optimizer: optax.GradientTransformation, ema: float) -> State:
    """`state` with its parameters moved against `gradient`, and with what follows from that; `step` stays."""
    updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    # The average warms up with the run: an early one would drag the random start along.
    decay = jnp.minimum(ema, (1.0 + state.step) / (10.0 + state.step))
    # In this form what does not move is kept to the bit, so a frozen encoder keeps its codes.
    average = jax.tree.map(lambda old, new: old + (1 - decay) * (new - old), state.ema, params)
    return state.replace(params=params, opt_state=opt_state, ema=average)


def chosen(sound: jax.Array, new: State, old: State) -> State:
    """`new` where the step was `sound`, else `old`: one bad batch must not cost the run."""
    return jax.tree.map(lambda a, b: jnp.where(sound, a, b), new, old)
