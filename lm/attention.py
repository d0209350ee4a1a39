"""Grouped-query attention (arXiv 2305.13245), queries and keys normalised (arXiv 2302.05442) and rotated."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from .cache import LayerCache
from .positions import rotate


class Attention(nn.Module):
    """Attends over the sequence itself, or over a cache into which its keys and values are written first."""

    heads: int
    kv_heads: int
    head_width: int
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        aims: jax.Array,
        places: jax.Array,
        mask: jax.Array,
        cache: LayerCache | None = None,
        start: jax.Array | int = 0,
    ) -> tuple[jax.Array, LayerCache | None]:
        """x `[B, L, D]`, turns of queries and keys `[(B,) L, K/2]`, mask bool `[L, slots]` -> (`[B, L, D]`, cache).

        With a cache, the L slots are written from `start` on, and the first `slots` of it are read.
        """
        sizes = (self.heads, self.kv_heads, self.kv_heads)
        # One matmul for all three: small models are bound by the number of kernels, not by bytes.
        fused = nn.Dense(sum(sizes) * self.head_width, use_bias=False, dtype=self.dtype, name="qkv")(x)
        fused = fused.reshape(*x.shape[:2], sum(sizes), self.head_width)
        query, key, value = jnp.split(fused, (sizes[0], sizes[0] + sizes[1]), axis=2)
        query = rotate(nn.RMSNorm(dtype=self.dtype, name="norm_query")(query), aims)
        key = rotate(nn.RMSNorm(dtype=self.dtype, name="norm_key")(key), places)
        if cache is not None:
            cache = cache.write(key, value, start)
            seen = mask.shape[-1]
            key, value = cache.keys[:, :seen].astype(self.dtype), cache.values[:, :seen].astype(self.dtype)
        y = attend(query, key, value, mask)
        return nn.Dense(x.shape[-1], use_bias=False, dtype=self.dtype, name="out")(y.reshape(*x.shape[:2], -1)), cache


def attend(query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array) -> jax.Array:
    """Queries `[B, L, N, K]` over keys and values `[B, S, N_kv, K]`, mask bool `[L, S]`; softmax in float32."""
    b, length, heads, width = query.shape
    groups = heads // key.shape[2]
    query = query.reshape(b, length, key.shape[2], groups, width)
    scores = jnp.einsum("blngk,bsnk->bngls", query, key, preferred_element_type=jnp.float32) * width**-0.5
    weights = jax.nn.softmax(jnp.where(mask, scores, -1e30), axis=-1).astype(value.dtype)
    return jnp.einsum("bngls,bsnk->blngk", weights, value).reshape(b, length, heads, width)
