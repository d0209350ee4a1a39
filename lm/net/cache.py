"""The key-value cache: for each layer two buffers that are written in place at one position and never shifted."""

import jax
import jax.numpy as jnp
from flax import struct
from jax.typing import DTypeLike

from reelm.lm.sharding import hold


class LayerCache(struct.PyTreeNode):
    """Keys (already rotated) and values `[B, S, N_kv, K]` of one layer. Slots past the last one written hold zeros."""

    keys: jax.Array
    values: jax.Array

    @classmethod
    def zeros(cls, batch: int, slots: int, heads: int, head_width: int, dtype: DTypeLike) -> "LayerCache":
        shape = (batch, slots, heads, head_width)
        return cls(keys=jnp.zeros(shape, dtype), values=jnp.zeros(shape, dtype))._held()

    def write(self, keys: jax.Array, values: jax.Array, start: jax.Array | int) -> "LayerCache":
        """The cache with `[B, L, N_kv, K]` written at slots start ... start + L - 1."""
        place = (0, start, 0, 0)
        return LayerCache(
            keys=jax.lax.dynamic_update_slice(self.keys, keys.astype(self.keys.dtype), place),
            values=jax.lax.dynamic_update_slice(self.values, values.astype(self.values.dtype), place),
        )._held()

    def _held(self) -> "LayerCache":
        """On a mesh each device keeps its heads."""
        return jax.tree.map(lambda leaf: hold(leaf, "batch", None, "heads", None), self)


Cache = tuple[LayerCache, ...]  # one a layer
