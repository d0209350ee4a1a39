"""The numbers that steer each draw, as traced values: another number compiles no new program."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import struct


class Controls(struct.PyTreeNode):
    """The numbers that steer each draw, float32 or int32.

    Attributes:
        temperature: 0 takes the most likely value.
        top_k: draw from the k most likely values; 0 for all.
        top_p: draw from the most likely values that hold this share of the probability; 1 for all.
        min_p: keep values with at least this fraction of the top probability (arXiv 2407.01082); 0 for all.
        cfg_scale: `[n]`, guidance scale of latent frame 0, 1, ...; the last one goes on. 1 is the conditional model.
            Above 1, classifier-free guidance on logits (arXiv 2207.12598) leads away from the unconditional one. It
            only reaches values that the conditional model finds plausible (arXiv 2210.15097).
    """

    temperature: jax.Array
    top_k: jax.Array
    top_p: jax.Array
    min_p: jax.Array
    cfg_scale: jax.Array

    @classmethod
    def of(cls, temperature: float, top_k: int, top_p: float, min_p: float, cfg_scale: Sequence[float]) -> "Controls":
        """Return the controls of plain numbers, which `Options` has checked."""
        return cls(
            temperature=jnp.asarray(temperature, jnp.float32),
            top_k=jnp.asarray(top_k, jnp.int32),
            top_p=jnp.asarray(top_p, jnp.float32),
            min_p=jnp.asarray(min_p, jnp.float32),
            cfg_scale=jnp.asarray(cfg_scale, jnp.float32),
        )
