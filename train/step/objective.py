"""The objective of a training, which builds its state and its step.

In: initial parameters, a loss, an optimizer, and a discriminator if there is one. Out, on a mesh: the state before the
first step, created in shards, and one jitted step. This module knows nothing of models, data or files.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
from jax.sharding import Mesh

from reelm.lm import sharding

from . import adversarial, state, update
from .adversarial import Opponent
from .state import TrainState
from .transformation import Optimizer

Step = Callable[[TrainState, Any], tuple[TrainState, Mapping[str, jax.Array]]]
"""Jitted `(state, batch) -> (state, metrics)` that donates the state. Metrics are scalars and include `loss`; a true
`skipped` means that the step did not change the parameters."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The parameters, loss and optimizer of a training."""

    init: Callable[[jax.Array], dict]
    """Return fresh parameters from the key of the run. It is traced, so that each device makes its own shards."""
    start: Mapping[str, Any] = field(default_factory=dict)
    """The parameters that are not fresh, on the host: a part of the tree that `init` returns."""
    loss: Callable[..., tuple[jax.Array, Any]]
    """`(params, batch, key, step) -> (scalar loss, scalar metrics)`, with a different key at every step. With an
    opponent, `-> (scalar loss, (scalar metrics, pairs))`."""
    constants: Callable[[], Any] | None = None
    """Return arrays that the loss reads and no step changes, such as the weights of LPIPS or of a reference model. They
    are replicated on every device, and the loss takes `(batch, constants)` instead of a batch."""
    optimizer: Optimizer
    """Optimizer of the parameters."""
    ema: float
    """Decay of their moving average."""
    accumulate: int = 1
    """Number of equal parts of a batch that go through the loss one after another, to save memory."""
    seed: int
    """Seed of the run's key, which gives the fresh parameters and the keys of the steps."""
    opponent: Opponent | None = None
    """The discriminator of adversarial training."""

    def create(self, start: Mapping[str, Any]) -> TrainState:
        """Return the state before the first step; `start` is `self.start`, or its shapes when this is traced."""
        key = jax.random.key(self.seed)
        made = state.create(_merged(self.init(key), start), self.optimizer, self.seed)
        return made if self.opponent is None else adversarial.create(made, self.opponent, key)

    def make_step(self, layout: Any = None) -> Step:
        """Return the step, which takes `(batch, constants)` if there are constants.

        layout: shardings of the state on a mesh; None leaves them to XLA.
        """
        if self.opponent is None:
            return update.make_step(self.loss, self.optimizer, self.ema, layout, self.accumulate)
        return adversarial.make_step(self.loss, self.optimizer, self.ema, self.opponent, layout)

    def build(self, mesh: Mesh) -> tuple[TrainState, Step]:
        """Return the state before the first step, and the step over batches, on a mesh."""
        layout = sharding.of_state(jax.eval_shape(self.create, self.start), mesh)
        jitted, constants = self.make_step(layout), None
        if self.constants is not None:
            constants = jax.device_put(self.constants(), sharding.whole(mesh))

        def step(state: TrainState, batch: Any) -> tuple[TrainState, Mapping[str, jax.Array]]:
            with jax.set_mesh(mesh):
                return jitted(state, batch if self.constants is None else (batch, constants))

        with jax.set_mesh(mesh):
            # An argument, because as constants the weights would be compiled into the program.
            return jax.jit(self.create, out_shardings=layout)(self.start), step


def _merged(fresh: dict, start: Mapping[str, Any]) -> dict:
    """Return fresh parameters, replaced by those of `start` where it has them."""
    return {
        name: part if name not in start else _merged(part, start[name]) if isinstance(part, dict) else start[name]
        for name, part in fresh.items()
    }
