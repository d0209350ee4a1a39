"""The optimizer: AdamW under a warm-up and a cosine, gradients clipped, and the guard against a loss that is not finite."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax

from .state import TrainState


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """Attributes:
    learning_rate: peak, reached after `warmup` steps; it falls along a cosine to `final` of it at the last step.
    betas: decay of the two moments.
    weight_decay: on matrices and kernels, not on scales and biases.
    clip: largest global norm of a gradient.
    ema: decay of the moving average of the parameters, which is what is sampled and shipped.
    """

    learning_rate: float = 1e-3
    warmup: int = 100
    final: float = 0.02
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    clip: float = 1.0
    ema: float = 0.999

    def build(self, steps: int) -> optax.GradientTransformation:
        schedule = optax.warmup_cosine_decay_schedule(
            0.0, self.learning_rate, min(self.warmup, steps // 2), steps, self.final * self.learning_rate
        )
        is_matrix = lambda params: jax.tree.map(lambda leaf: leaf.ndim > 1, params)  # noqa: E731
        return optax.chain(
            optax.clip_by_global_norm(self.clip),
            optax.adamw(schedule, *self.betas, weight_decay=self.weight_decay, mask=is_matrix),
        )


def make_step(
    loss: Callable[[Any, Any, jax.Array, jax.Array], tuple[jax.Array, dict[str, jax.Array]]],
    optimizer: optax.GradientTransformation,
    ema: float,
) -> Callable[[TrainState, Any], tuple[TrainState, dict[str, jax.Array]]]:
    """One jitted update, the state donated.

    Args:
        loss: `(params, batch, key, step) -> (scalar loss, scalar metrics)`; the key differs at every step.
        optimizer: what `TrainState.opt_state` belongs to.
        ema: decay of the moving average.

    Returns:
        `(state, batch) -> (state, metrics)`. When the loss or the gradient is not finite nothing but `step` changes and
        `metrics["skipped"]` is 1.
    """

    def step(state: TrainState, batch: Any) -> tuple[TrainState, dict[str, jax.Array]]:
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        (value, metrics), gradient = jax.value_and_grad(loss, has_aux=True)(state.params, batch, key, state.step)
        norm = optax.global_norm(gradient)
        sound = jnp.isfinite(value) & jnp.isfinite(norm)
        updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        # The average warms up with the run: an early one would drag the random start along.
        decay = jnp.minimum(ema, (1.0 + state.step) / (10.0 + state.step))
        average = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, state.ema, params)
        keep = lambda new, old: jax.tree.map(lambda a, b: jnp.where(sound, a, b), new, old)  # noqa: E731
        state = state.replace(
            step=state.step + 1,
            params=keep(params, state.params),
            opt_state=keep(opt_state, state.opt_state),
            ema=keep(average, state.ema),
        )
        return state, {"loss": value, **metrics, "gradient_norm": norm, "skipped": 1.0 - sound}

    return jax.jit(step, donate_argnums=0)
