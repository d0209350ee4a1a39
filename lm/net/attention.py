"""Grouped-query attention (arXiv 2305.13245): queries and keys normalised (arXiv 2302.05442), then rotated."""

from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.lm.layout import SLOTS_AT_ONCE
from reelm.lm.sharding import constrain, split, tensor_parts

from .cache import LayerCache
from .fused_attention import PrefixAttention
from .linear import Linear
from .rotary import rotate


class Slots(NamedTuple):
    """The L slots that a layer reads: their positions, and the slots that each attends to.

    Attributes:
        query_angles, key_angles: rotations `[L, K/2]` or `[B, L, K/2]`.
        mask: bool `[L, S]` or `[B, L, S]`, attended slots. Without a cache it may be a fused kernel with its own mask.
            With a cache, None means all slots up to the query's own.
        start: the first of the slots in a cache, of each row int32 `[B]` or one for all.
    """

    query_angles: jax.Array
    key_angles: jax.Array
    mask: jax.Array | PrefixAttention | None
    start: jax.Array | int = 0


class Attention(nn.Module):
    """Attention over the sequence itself, or over a cache after its keys and values are written to it."""

    heads: int
    kv_heads: int
    head_width: int
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self, x: jax.Array, slots: Slots, cache: LayerCache | None = None
    ) -> tuple[jax.Array, LayerCache | None]:
        """Return the output `[B, L, D]` for `[B, L, D]`, and the cache after it.

        cache: takes the keys and values of the L slots; its first S slots are read.
        """
        mask, axis = slots.mask, "slots" if cache is None else None
        # One matmul for all three, because small models are limited by the number of kernels, not by bytes.
        sizes = tuple(heads * self.head_width for heads in (self.heads, self.kv_heads, self.kv_heads))
        fused = Linear(sum(sizes), self.dtype, name="qkv")(x)
        query, key, value = (
            part.reshape(*x.shape[:2], -1, self.head_width) for part in split(fused, sizes, tensor_parts())
        )
        query = rotate(nn.RMSNorm(dtype=self.dtype, name="norm_query")(query), slots.query_angles)
        key = rotate(nn.RMSNorm(dtype=self.dtype, name="norm_key")(key), slots.key_angles)
        query = constrain(query, "batch", axis, "heads", None)
        # If slots are sharded, each device reads the keys and values of all.
        key, value = (constrain(each, "batch", None, "heads", None) for each in (key, value))
        if cache is not None:
            cache = cache.write(key, value, slots.start)
            seen = mask.shape[-1] if isinstance(mask, jax.Array) else None
            key, value = (each[:, :seen].astype(self.dtype) for each in (cache.keys, cache.values))
        if mask is None:
            y = attend_filled(query, key, value, slots.start)
        else:
            y = mask(query, key, value) if isinstance(mask, PrefixAttention) else attend(query, key, value, mask)
        return Linear(x.shape[-1], self.dtype, name="out")(y.reshape(*x.shape[:2], -1)), cache


def attend(query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array) -> jax.Array:
    """Return the attention `[B, L, N, K]` of queries of that shape over keys and values `[B, S, N_kv, K]`.

    mask: bool `[L, S]` or `[B, L, S]`. The softmax is in float32.
    """
    b, length, heads, width = query.shape
    groups = heads // key.shape[2]
    query = query.reshape(b, length, key.shape[2], groups, width)
    scores = jnp.einsum("blngk,bsnk->bngls", query, key, preferred_element_type=jnp.float32) * width**-0.5
    mask = mask if mask.ndim == 2 else mask[:, None, None]
    weights = jax.nn.softmax(jnp.where(mask, scores, -1e30), axis=-1).astype(value.dtype)
    return jnp.einsum("bngls,bsnk->blngk", weights, value).reshape(b, length, heads, width)


def attend_filled(query: jax.Array, key: jax.Array, value: jax.Array, start: jax.Array | int) -> jax.Array:
    """Return the attention `[B, L, N, K]` of queries in slots start ... start + L - 1 over the slots up to their own.

    The result is that of `attend`, but the time depends on the fullest row. Only filled blocks of slots are read, one
    after another, and the softmax is rescaled when a larger score appears (online softmax, arXiv 1805.02867).

    Args:
        query: `[B, L, N, K]`.
        key, value: `[B, S, N_kv, K]`, where S is whole blocks.
        start: of each row int32 `[B]`, or one for all.
    """
    b, length, heads, width = query.shape
    kv_heads, groups = key.shape[2], heads // key.shape[2]
    query = query.reshape(b, length, kv_heads, groups, width)
    last = (jnp.reshape(start, (-1, 1)) + jnp.arange(length))[:, None, None, :, None]
    shape = (b, kv_heads, groups, length)

    def block(carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        first, largest, total, y = carry
        keys, values = (jax.lax.dynamic_slice_in_dim(each, first, SLOTS_AT_ONCE, axis=1) for each in (key, value))
        scores = jnp.einsum("blngk,bsnk->bngls", query, keys, preferred_element_type=jnp.float32) * width**-0.5
        scores = jnp.where(first + jnp.arange(SLOTS_AT_ONCE) <= last, scores, -1e30)
        larger = jnp.maximum(largest, jnp.max(scores, axis=-1))
        weights, kept = jnp.exp(scores - larger[..., None]), jnp.exp(largest - larger)
        total = kept * total + jnp.sum(weights, axis=-1)
        read = jnp.einsum("bngls,bsnk->bnglk", weights.astype(values.dtype), values, preferred_element_type=jnp.float32)
        return first + SLOTS_AT_ONCE, larger, total, kept[..., None] * y + read

    like = partial(jnp.full_like, query, dtype=jnp.float32)  # in `shard_map` it varies over the axes that queries do
    nothing = jnp.int32(0), like(-1e30, shape=shape), like(0, shape=shape), like(0, shape=(*shape, width))
    _, _, total, y = jax.lax.while_loop(lambda carry: carry[0] <= jnp.max(last), block, nothing)
    y = (y / total[..., None]).astype(value.dtype)
    return jnp.moveaxis(y, 3, 1).reshape(b, length, heads, width)
