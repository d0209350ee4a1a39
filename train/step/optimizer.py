"""The optimizer: AdamW or Muon under a warm-up and a cosine, and the guarded step that applies it."""

from dataclasses import dataclass
from typing import Any

import jax
import optax
import optax.contrib

from reelm.errors import RequestError

from .fields import check_above, check_least, check_shares


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """How parameters follow their gradients."""

    learning_rate: float = 1e-3
    """Peak learning rate, reached after `warmup` steps. It follows a cosine to `final` times the peak."""
    warmup: int = 100
    """Steps of linear warm-up."""
    final: float = 0.02
    """Learning rate at the last step, as a share of the peak."""
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
        check_above(self, 0, "clip")
        check_shares(self, "final", "ema")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise RequestError(f"betas must lie in 0 to 1, below 1, not {self.betas}")

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
