"""Parameters of nets at random, drawn by NumPy: JAX would compile a program for the draws of each."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np


def random_params(init_params: Callable[..., dict], config: Any, seed: int = 0, noise: float = 0.0) -> dict:
    """Return `random_like` what `init_params(config, key)` gives."""
    return random_like(jax.eval_shape(partial(init_params, config), jax.random.key(0)), seed, noise)


def random_like(shapes: dict, seed: int = 0, noise: float = 0.0) -> dict:
    """Return parameters of these shapes which keep the size of activations.

    Fresh layers are the identity, fresh heads flat and fresh decoders paint a constant; here every parameter counts.

    noise: standard deviation of what is added to each.
    """
    rng = np.random.default_rng(seed)

    def draw(path: tuple, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        spread = 1 / math.sqrt(math.prod(leaf.shape[:-1])) if len(leaf.shape) > 1 else 0.1
        drawn = (path[-1].key == "scale") + math.hypot(spread, noise) * rng.normal(size=leaf.shape)
        return drawn.astype(np.float32)

    return jax.tree_util.tree_map_with_path(draw, shapes)
