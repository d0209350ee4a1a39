"""The configuration of an optimizer, AdamW or Muon with a schedule. Plain Python: `build` imports Optax."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from reelm.errors import RequestError
from reelm.value_checks import check_above, check_choice, check_least, check_shares

if TYPE_CHECKING:
    import jax
    import optax

    from .transformation import Optimizer

Schedule = Literal["cosine", "constant", "warmup-stable-decay"]
"""Schedule of the learning rate after the warm-up."""


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """Settings of the optimizer and its schedule."""

    learning_rate: float = 1e-3
    """Peak learning rate, reached after `warmup` steps."""
    schedule: Schedule = "cosine"
    """Learning rate after the warm-up. cosine: it falls along a cosine over the whole run. constant: it stays constant.
    warmup-stable-decay: it is constant, then falls linearly at the end (arXiv 2404.06395), so a run can be extended."""
    warmup: int = 100
    """Steps of linear warm-up."""
    decay: float = 0.2
    """Fraction of the run in which the rate of warmup-stable-decay falls."""
    final: float = 0.02
    """Learning rate at the last step, as a fraction of the peak. It has no effect on a constant rate."""
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
            raise RequestError(f"betas must be 0 or more and below 1, not {self.betas}")

    def build(self, steps: int) -> "Optimizer":
        """Return the transformation for a run of `steps` updates."""
        import jax.numpy as jnp
        import optax
        import optax.contrib

        from .transformation import Optimizer, is_matrix, muon_axes

        schedule = self._schedule(self.learning_rate, steps)
        if not self.muon:
            inner = optax.adamw(schedule, *self.betas, weight_decay=self.weight_decay, mask=is_matrix)
            schedules = {"learning_rate": schedule}
        else:
            muon = self._schedule(self.muon, steps)
            inner = optax.contrib.muon(
                muon,
                weight_decay=self.weight_decay,
                adam_learning_rate=schedule,
                adam_b1=self.betas[0],
                adam_b2=self.betas[1],
                muon_weight_dimension_numbers=muon_axes,
            )
            schedules = {"learning_rate": schedule, "muon_learning_rate": muon}

        def rates(opt_state: Any) -> "dict[str, jax.Array]":
            # Each part of the optimizer counts the updates made, and all counts agree.
            (_, made), *_ = optax.tree.get_all_with_path(opt_state, "count")
            return {name: jnp.asarray(of(made), jnp.float32) for name, of in schedules.items()}

        whole = optax.chain(optax.clip_by_global_norm(self.clip), inner)
        return Optimizer(whole.init, whole.update, rates)

    def _schedule(self, peak: float, steps: int) -> "optax.Schedule":
        import optax

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
