"""The optimizer: AdamW or Muon under a schedule, and the learning rates of its next update."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import optax
import optax.contrib

from reelm.errors import RequestError
from reelm.value_checks import check_above, check_choice, check_least, check_shares

Schedule = Literal["cosine", "constant", "warmup-stable-decay"]
"""Course of the learning rate after the warm-up."""


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """How parameters follow their gradients."""

    learning_rate: float = 1e-3
    """Peak learning rate, reached after `warmup` steps."""
    schedule: Schedule = "cosine"
    """Learning rate after the warm-up. cosine: it falls along a cosine over the whole run. constant: it stays.
    warmup-stable-decay: it stays, and falls in a line at the end (arXiv 2404.06395), so a run can be made longer."""
    warmup: int = 100
    """Steps of linear warm-up."""
    decay: float = 0.2
    """Share of the run in which warmup-stable-decay falls."""
    final: float = 0.02
    """Learning rate at the last step, as a share of the peak. A constant one does not fall."""
    betas: tuple[float, float] = (0.9, 0.99)
    """Decay rates of the two moments of Adam."""
    weight_decay: float = 0.0
    """Weight decay of matrices and kernels. Scales and biases have none."""
    clip: float = 1.0
    """Largest global norm of the gradient."""
    ema: float = 0.999
    """Decay of the moving average of the parameters, which is sampled from and exported."""
    muon: float = 0.0
    """Peak learning rate of Muon (arXiv 2502.16982) for the matrices between layers, on the same schedule. Adam keeps
    embeddings, output tables, scales and biases. 0 gives all parameters to Adam."""

    def __post_init__(self) -> None:
        check_least(self, 0, "learning_rate", "warmup", "weight_decay", "muon")
        check_above(self, 0, "clip", "decay")
        check_shares(self, "final", "ema", "decay")
        check_choice(self, "schedule", get_args(Schedule))
        if not all(0 <= beta < 1 for beta in self.betas):
            raise RequestError(f"betas must lie in 0 to 1, below 1, not {self.betas}")

    def build(self, steps: int) -> "Optimizer":
        """The transformation of a run of `steps` updates."""
        schedule = self._schedule(self.learning_rate, steps)
        if not self.muon:
            inner = optax.adamw(schedule, *self.betas, weight_decay=self.weight_decay, mask=_is_matrix)
            schedules = {"learning_rate": schedule}
        else:
            muon = self._schedule(self.muon, steps)
            inner = optax.contrib.muon(
                muon,
                weight_decay=self.weight_decay,
                adam_learning_rate=schedule,
                adam_b1=self.betas[0],
                adam_b2=self.betas[1],
                muon_weight_dimension_numbers=_muon_axes,
            )
            schedules = {"learning_rate": schedule, "muon_learning_rate": muon}

        def rates(opt_state: Any) -> dict[str, jax.Array]:
            # Each part of the optimizer counts the updates made, and all counts agree.
            (_, made), *_ = optax.tree.get_all_with_path(opt_state, "count")
            return {name: jnp.asarray(of(made), jnp.float32) for name, of in schedules.items()}

        whole = optax.chain(optax.clip_by_global_norm(self.clip), inner)
        return Optimizer(whole.init, whole.update, rates)

    def _schedule(self, peak: float, steps: int) -> optax.Schedule:
        warmup = min(self.warmup, steps // 2)
        if self.schedule == "cosine":
            return optax.warmup_cosine_decay_schedule(0.0, peak, warmup, steps, self.final * peak)
        rise, stay = optax.linear_schedule(0.0, peak, warmup), optax.constant_schedule(peak)
        if self.schedule == "constant":
            return optax.join_schedules([rise, stay], [warmup])
        falling = max(1, round(self.decay * steps))
        if warmup + falling > steps:
            raise RequestError(
                f"a warmup of {warmup} steps and a decay over {self.decay} of the run do not fit into {steps} steps"
            )
        fall = optax.linear_schedule(peak, self.final * peak, falling)
        return optax.join_schedules([rise, stay, fall], [warmup, steps - falling])


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


def _is_matrix(params: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


def _muon_axes(params: Any) -> Any:
    """For each kernel its input and output axis, None for what Adam keeps; stacked layers have an axis in front."""

    def axes(path: tuple, leaf: jax.Array) -> optax.contrib.MuonDimensionNumbers | None:
        if path[-1].key != "kernel":
            return None
        return optax.contrib.MuonDimensionNumbers(reduction_axis=leaf.ndim - 2, output_axis=leaf.ndim - 1)

    return jax.tree_util.tree_map_with_path(axes, params)
