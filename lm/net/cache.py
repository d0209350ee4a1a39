"""The KV cache of decoding. It imports no Flax, so that a compiled program runs without it."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.lm.sharding import constrain

from .config import LMConfig

# Up to this many rows are written one after another. More rows use a scatter, which is slower but compiles faster.
_WRITTEN_ONE_BY_ONE = 2


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class LayerCache:
    """The KV cache of one layer: keys (already rotated) and values `[B, S, N_kv, K]`.

    Both are written in place and never shifted. Slots past the last one written hold zeros.
    """

    keys: jax.Array
    values: jax.Array

    @classmethod
    def zeros(cls, batch: int, slots: int, heads: int, head_width: int, dtype: DTypeLike) -> "LayerCache":
        """Return an empty cache `[batch, slots, heads, head_width]`."""
        shape = (batch, slots, heads, head_width)
        return cls(keys=jnp.zeros(shape, dtype), values=jnp.zeros(shape, dtype))._constrained()

    def write(self, keys: jax.Array, values: jax.Array, start: jax.Array | int) -> "LayerCache":
        """Return the cache with keys and values `[B, L, N_kv, K]` written at slots start ... start + L - 1.

        start: of each row int32 `[B]`, or one for all.
        """

        def row(old: jax.Array, new: jax.Array, start: jax.Array | int) -> jax.Array:
            return jax.lax.dynamic_update_slice(old, new, (start, 0, 0))

        def write(old: jax.Array, new: jax.Array) -> jax.Array:
            new = new.astype(old.dtype)
            if jnp.ndim(start) == 0:
                return jax.vmap(row, in_axes=(0, 0, None))(old, new, start)
            if len(new) > _WRITTEN_ONE_BY_ONE or not jax.sharding.get_abstract_mesh().empty:
                return jax.vmap(row)(old, new, start)
            for i in range(len(new)):
                old = jax.lax.dynamic_update_slice(old, new[i : i + 1], (i, jnp.asarray(start)[i], 0, 0))
            return old

        return LayerCache(keys=write(self.keys, keys), values=write(self.values, values))._constrained()

    def _constrained(self) -> "LayerCache":
        """Return the cache constrained to the mesh, where each device keeps its own heads."""
        return jax.tree.map(lambda leaf: constrain(leaf, "batch", None, "heads", None), self)


Cache = tuple[LayerCache, ...]  # one a layer


def empty_cache(config: LMConfig, batch: int, slots: int, dtype: DTypeLike = jnp.float32) -> Cache:
    """Return a cache of zeros for `batch` rows of `slots` slots."""
    return tuple(
        LayerCache.zeros(batch, slots, config.kv_heads, config.head_width, dtype) for _ in range(config.layers)
    )
