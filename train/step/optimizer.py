"""The optimizer: AdamW or Muon under a warm-up and a cosine, and the guarded step that applies it."""

from dataclasses import dataclass
from typing import Any

import jax
import optax
import optax.contrib


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
