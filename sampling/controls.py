"""The controls of sampling as traced values."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import struct

from reelm.errors import RequestError


class Controls(struct.PyTreeNode):
    """The dials of sampling, float32 or int32.

    Attributes:
        temperature: 0 takes the likeliest value.
        top_k: draw among the k likeliest; 0 for all.
        top_p: draw among the fewest likeliest that hold this share of the probability; 1 for all.
        min_p: draw among those at least this share as likely as the likeliest (arXiv 2407.01082); 0 for all.
        cfg_scale: `[n]`, strength of guidance in latent frame 0, 1, ...; the last one goes on. 1 is the conditional
            model, above 1 leads away from the unconditional one (classifier-free guidance on logits, arXiv 2207.12598),
            to none but values that the conditional one finds plausible (arXiv 2210.15097).
    """

    temperature: jax.Array
    top_k: jax.Array
    top_p: jax.Array
    min_p: jax.Array
    cfg_scale: jax.Array

    @classmethod
    def checked(
        cls, temperature: float, top_k: int, top_p: float, min_p: float, cfg_scale: Sequence[float]
    ) -> "Controls":
        """Controls of plain numbers; RequestError for one out of its range."""
        if not 0 <= temperature < float("inf"):
            raise RequestError(f"temperature is {temperature}; it must be 0 (greedy) or more")
        if top_k < 0 or top_k != int(top_k):
            raise RequestError(f"top_k is {top_k}; it must be a whole number, 0 for no limit")
        if not 0 < top_p <= 1:
            raise RequestError(f"top_p is {top_p}; it must be above 0 and at most 1")
        if not 0 <= min_p <= 1:
            raise RequestError(f"min_p is {min_p}; it must be 0 (no limit) to 1")
        if not cfg_scale or not all(0 <= scale < float("inf") for scale in cfg_scale):
            raise RequestError(
                f"cfg_scale is {', '.join(map(str, cfg_scale))}; it must be 0 or more, 1 for no guidance"
            )
        return cls(
            temperature=jnp.asarray(temperature, jnp.float32),
            top_k=jnp.asarray(top_k, jnp.int32),
            top_p=jnp.asarray(top_p, jnp.float32),
            min_p=jnp.asarray(min_p, jnp.float32),
            cfg_scale=jnp.asarray(cfg_scale, jnp.float32),
        )
