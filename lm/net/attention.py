"""Grouped-query attention (arXiv 2305.13245) with queries and keys normalised (arXiv 2302.05442) and rotated."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.lm.sharding import constrain, tensor_parts

from .cache import LayerCache
from .fused_attention import PrefixAttention
from .linear import Linear, split
from .positions import rotate


class Attention(nn.Module):
    """Attention over the sequence itself, or over a cache that its keys and values are written into first."""

    heads: int
    kv_heads: int
    head_width: int
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        query_angles: jax.Array,
        key_angles: jax.Array,
        mask: jax.Array | PrefixAttention,
        cache: LayerCache | None = None,
        start: jax.Array | int = 0,
    ) -> tuple[jax.Array, LayerCache | None]:
        """Return the output `[B, L, D]` and the cache after it.

        Args:
            x: `[B, L, D]`.
            query_angles, key_angles: rotations `[L, K/2]` or `[B, L, K/2]`.
            mask: bool `[L, S]`, what is attended to. Without a cache it may be a fused kernel, which has its own.
            cache: takes the keys and values of the L slots from slot `start` on; its first S slots are read.
            start: first slot that is written.
        """
        slots = "slots" if cache is None else None
        # One matmul for all three: small models are bound by the number of kernels, not by bytes.
        sizes = tuple(heads * self.head_width for heads in (self.heads, self.kv_heads, self.kv_heads))
        fused = Linear(sum(sizes), self.dtype, name="qkv")(x)
        query, key, value = (
            part.reshape(*x.shape[:2], -1, self.head_width) for part in split(fused, sizes, tensor_parts())
        )
        query = rotate(nn.RMSNorm(dtype=self.dtype, name="norm_query")(query), query_angles)
        key = rotate(nn.RMSNorm(dtype=self.dtype, name="norm_key")(key), key_angles)
        query = constrain(query, "batch", slots, "heads", None)
        # Where slots lie on several devices, each reads the keys and values of all.
        key, value = (constrain(each, "batch", None, "heads", None) for each in (key, value))
        if isinstance(mask, PrefixAttention):
            y = mask(query, key, value)
        else:
            if cache is not None:
                cache = cache.write(key, value, start)
                seen = mask.shape[-1]
                key, value = cache.keys[:, :seen].astype(self.dtype), cache.values[:, :seen].astype(self.dtype)
            y = attend(query, key, value, mask)
        return Linear(x.shape[-1], self.dtype, name="out")(y.reshape(*x.shape[:2], -1)), cache


def attend(query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array) -> jax.Array:
    """Return the attention `[B, L, N, K]` of queries of that shape over keys and values `[B, S, N_kv, K]`.

    mask: bool `[L, S]`. The softmax is in float32.
    """
    b, length, heads, width = query.shape
    groups = heads // key.shape[2]
    query = query.reshape(b, length, key.shape[2], groups, width)
    scores = jnp.einsum("blngk,bsnk->bngls", query, key, preferred_element_type=jnp.float32) * width**-0.5
    weights = jax.nn.softmax(jnp.where(mask, scores, -1e30), axis=-1).astype(value.dtype)
    return jnp.einsum("bngls,bsnk->blngk", weights, value).reshape(b, length, heads, width)
