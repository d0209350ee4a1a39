"""The KV cache: two buffers a layer, written in place and never shifted."""

import jax
import jax.numpy as jnp
from flax import struct
from jax.typing import DTypeLike

from reelm.lm.sharding import constrain


class LayerCache(struct.PyTreeNode):
    """Keys (already rotated) and values `[B, S, N_kv, K]` of one layer. Slots past the last one written hold zeros."""

    keys: jax.Array
    values: jax.Array

    @classmethod
    def zeros(cls, batch: int, slots: int, heads: int, head_width: int, dtype: DTypeLike) -> "LayerCache":
        """Return an empty cache `[batch, slots, heads, head_width]`."""
        shape = (batch, slots, heads, head_width)
        return cls(keys=jnp.zeros(shape, dtype), values=jnp.zeros(shape, dtype))._constrained()

    def write(self, keys: jax.Array, values: jax.Array, start: jax.Array | int) -> "LayerCache":
        """Return the cache with keys and values `[B, L, N_kv, K]` written at slots start ... start + L - 1."""
        place = (0, start, 0, 0)
        return LayerCache(
            keys=jax.lax.dynamic_update_slice(self.keys, keys.astype(self.keys.dtype), place),
            values=jax.lax.dynamic_update_slice(self.values, values.astype(self.values.dtype), place),
        )._constrained()

    def _constrained(self) -> "LayerCache":
        """Return the cache constrained to the mesh, where each device keeps its own heads."""
        return jax.tree.map(lambda leaf: constrain(leaf, "batch", None, "heads", None), self)


Cache = tuple[LayerCache, ...]  # one a layer
