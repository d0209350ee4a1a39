"""The history that a causal net keeps between chunks, so that chunked and whole runs compute the same."""

import jax
import jax.numpy as jnp


class History:
    """The frames that the causal layers of one net keep between chunks, in the order of the calls.

    It is built from `None` (first chunk) or from the `after` of the previous chunk; the layers fill `after` as they
    run. With `cut`, a later chunk sees zeros in place of its past.
    """

    def __init__(self, before: tuple[jax.Array, ...] | None = None, *, cut: bool = False):
        self.first, self._cut = before is None and not cut, cut
        self._before = iter(before or ())
        self.after: tuple[jax.Array, ...] = ()

    def join(self, x: jax.Array, *, pad: int, keep: int) -> jax.Array:
        """Return `x` after its past: `pad` frames of zeros for the first chunk, `keep` frames for later ones."""
        x = self._with_past(x, pad if self.first else keep)
        self.after += (x[:, x.shape[1] - keep :],)
        return x

    def sum_before(self, x: jax.Array) -> jax.Array:
        """Return for each frame of integers `[B, F]` the sum of all earlier frames of all chunks. It wraps around."""
        sums = jnp.cumsum(self._with_past(x, 1), axis=1, dtype=x.dtype)
        self.after += (sums[:, -1:],)
        return sums[:, :-1]

    def _with_past(self, x: jax.Array, frames: int) -> jax.Array:
        none = self.first or self._cut
        past = jnp.zeros((x.shape[0], frames, *x.shape[2:]), x.dtype) if none else next(self._before)
        return jnp.concatenate([past, x], axis=1)
