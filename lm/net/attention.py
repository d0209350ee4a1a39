"""Grouped-query attention (arXiv 2305.13245), queries and keys normalised (arXiv 2302.05442) and rotated."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.lm.sharding import hold, tensor_parts

from .cache import LayerCache
from .fused_attention import PrefixAttention
from .linear import Linear, split
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
        mask: jax.Array | PrefixAttention,
        cache: LayerCache | None = None,
        start: jax.Array | int = 0,
    ) -> tuple[jax.Array, LayerCache | None]:
        """x `[B, L, D]`, turns of queries and keys `[(B,) L, K/2]`, mask bool `[L, slots]` -> (`[B, L, D]`, cache).

        Without a cache the mask may be in the hands of a fused kernel.

        With a cache, the L slots are written from `start` on, and the first `slots` of it are read.
        """
        slots = "slots" if cache is None else None
        # One matmul for all three: small models are bound by the number of kernels, not by bytes.
        sizes = tuple(heads * self.head_width for heads in (self.heads, self.kv_heads, self.kv_heads))
        fused = Linear(sum(sizes), self.dtype, name="qkv")(x)
        query, key, value = (
            part.reshape(*x.shape[:2], -1, self.head_width) for part in split(fused, sizes, tensor_parts())
        )
        query = rotate(nn.RMSNorm(dtype=self.dtype, name="norm_query")(query), aims)
        key = rotate(nn.RMSNorm(dtype=self.dtype, name="norm_key")(key), places)
        query = hold(query, "batch", slots, "heads", None)
        # Where slots lie on several devices, each reads the keys and values of all.
        key, value = (hold(each, "batch", None, "heads", None) for each in (key, value))
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
    """Queries `[B, L, N, K]` over keys and values `[B, S, N_kv, K]`, mask bool `[L, S]`; softmax in float32."""
    b, length, heads, width = query.shape
    groups = heads // key.shape[2]
    query = query.reshape(b, length, key.shape[2], groups, width)
    scores = jnp.einsum("blngk,bsnk->bngls", query, key, preferred_element_type=jnp.float32) * width**-0.5
    weights = jax.nn.softmax(jnp.where(mask, scores, -1e30), axis=-1).astype(value.dtype)
    return jnp.einsum("bngls,bsnk->blngk", weights, value).reshape(b, length, heads, width)
