"""The past that a causal net keeps between chunks, so that chunked and whole are the same arithmetic."""

import jax
import jax.numpy as jnp


class History:
    """What the causal layers of one net remember between chunks, in the order in which they are called.

    Built from `None` (first chunk) or from the `after` of the previous chunk; `after` fills as the layers run. Behind a
    `cut` a chunk that is not the first finds zeros.
    """

    def __init__(self, before: tuple[jax.Array, ...] | None = None, *, cut: bool = False):
        self.first, self._cut = before is None and not cut, cut
        self._before = iter(before or ())
        self.after: tuple[jax.Array, ...] = ()

    def join(self, x: jax.Array, *, pad: int, keep: int) -> jax.Array:
        """Put the past in front of `x`: `pad` frames of zeros on the first chunk, `keep` frames later on."""
        x = self._with_past(x, pad if self.first else keep)
        self.after += (x[:, x.shape[1] - keep :],)
        return x

    def sum_before(self, x: jax.Array) -> jax.Array:
        """Return for each frame of integers `[B, F]` the sum of all frames before it, over chunks. It wraps around."""
        sums = jnp.cumsum(self._with_past(x, 1), axis=1, dtype=x.dtype)
        self.after += (sums[:, -1:],)
        return sums[:, :-1]

    def _with_past(self, x: jax.Array, frames: int) -> jax.Array:
        none = self.first or self._cut
        past = jnp.zeros((x.shape[0], frames, *x.shape[2:]), x.dtype) if none else next(self._before)
        return jnp.concatenate([past, x], axis=1)
