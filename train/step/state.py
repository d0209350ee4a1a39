"""What a training step changes: parameters, optimizer, their moving average, the random key.

In: a plain nested dict of parameters and an optax optimizer. Out: one pytree that `jax.jit` takes and donates, and that
a checkpoint holds whole. Knows nothing of models, data or files.
"""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax


class TrainState(flax.struct.PyTreeNode):
    """The moving part of a training run.

    Attributes:
        step: int32 scalar, the number of updates made.
        params: nested dict of arrays.
        opt_state: what the optimizer remembers, as optax lays it out.
        ema: exponential moving average of `params`, same tree; None when the run keeps none.
        key: uint32 key data, as a checkpoint holds numbers only; `jax.random.wrap_key_data(key)` makes the key.
    """

    step: jax.Array
    params: Any
    opt_state: Any
    ema: Any
    key: jax.Array


def create(params: Any, optimizer: optax.GradientTransformation, seed: int, ema: bool = True) -> TrainState:
    """Returns the state before the first step; `ema` starts as a copy of `params`."""
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        opt_state=optimizer.init(params),
        # A copy, never the same buffers: the step donates the state, and a buffer can be donated only once.
        ema=jax.tree.map(jnp.copy, params) if ema else None,
        key=jax.random.key_data(jax.random.key(seed)),
    )
