"""The state that a training step changes: parameters, optimizer, moving average, random key.

In: a plain nested dict of parameters and an optax optimizer. Out: one pytree that `jax.jit` takes and donates, and that
a checkpoint saves. This module knows nothing of models, data or files.
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
        opt_state: state of the optimizer, as optax structures it.
        ema: exponential moving average of `params`, with the same tree; None if the run keeps none.
        key: uint32 key data, because a checkpoint holds only numbers; `jax.random.wrap_key_data(key)` makes the key.
    """

    step: jax.Array
    params: Any
    opt_state: Any
    ema: Any
    key: jax.Array


def create(params: Any, optimizer: optax.GradientTransformation, seed: int, ema: bool = True) -> TrainState:
    """Return the state before the first step; `ema` starts as a copy of `params`."""
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        opt_state=optimizer.init(params),
        # A copy, because the step donates the state, and a buffer can be donated only once.
        ema=jax.tree.map(jnp.copy, params) if ema else None,
        key=jax.random.key_data(jax.random.key(seed)),
    )
