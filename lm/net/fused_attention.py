"""Attention without a matrix of scores, for training: bidirectional over a prefix, causal after it.

In: queries `[B, L, N, K]`, keys and values `[B, L, N_kv, K]` of whole samples whose first `before` slots are the
prefix. Out: `[B, L, N, K]`, equal to `attention.attend` under the mask of `Layout`.

cuDNN is fast with a causal mask and slow with an explicit one. So it is called twice: causal over everything, and full
over the prefix, whose rows replace those of the first call. On TPUs, JAX's Splash kernel (arXiv 2205.14135 with a mask
in blocks) takes the whole mask. A CPU attends in blocks of queries, each to the slots that it sees: half of the scores
are never computed, and those of a block stay in the cache.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec
from jax.typing import DTypeLike

from reelm.lm.sharding import BATCH_AXES

from .config import Kernel

_BLOCK = 128  # slots; Splash takes whole blocks
_QUERIES = 64  # in a block of a CPU


def kernel_for(backend: str, head_width: int, dtype: DTypeLike, sequence: int) -> Kernel:
    """Return the fastest kernel that a backend ("cpu", "gpu", "tpu") has for such heads and activations.

    sequence: devices along that axis of the mesh; only XLA's attention can be cut along it.
    """
    half = jnp.dtype(dtype).itemsize == 2
    if sequence > 1:
        return "xla"
    if backend == "cpu":
        return "blocks"
    if not half:
        return "xla"
    if backend == "gpu" and head_width % 8 == 0 and head_width <= 128:
        return "cudnn"
    return "splash" if backend == "tpu" and head_width % 128 == 0 else "xla"


@dataclass(frozen=True)
class PrefixAttention:
    """Attention of whole samples with a prefix of `before` slots."""

    before: int
    kernel: Literal["blocks", "cudnn", "splash"]

    def __call__(self, query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
        if self.kernel == "blocks":
            return in_blocks(query, key, value, self.before)
        if self.kernel == "cudnn":
            return in_two_calls(query, key, value, self.before, "cudnn")
        mesh = jax.sharding.get_abstract_mesh()
        run = partial(_splash, before=self.before)
        if mesh.empty:
            return run(query, key, value)
        # The partitioner cannot look into a kernel, so each device gets its clips and heads.
        cut = PartitionSpec(BATCH_AXES, None, "tensor", None)
        return jax.shard_map(run, in_specs=(cut, cut, cut), out_specs=cut, check_vma=False)(query, key, value)


def in_two_calls(
    query: jax.Array, key: jax.Array, value: jax.Array, before: int, implementation: Literal["cudnn", "xla"]
) -> jax.Array:
    """Return attention by two calls of `jax.nn.dot_product_attention`. Each row must be one sample that fills it."""
    attend = partial(jax.nn.dot_product_attention, implementation=implementation)
    causal = attend(query, key, value, is_causal=True)
    full = attend(query[:, :before], key[:, :before], value[:, :before])
    return jnp.concatenate([full, causal[:, before:]], axis=1)


def in_blocks(query: jax.Array, key: jax.Array, value: jax.Array, before: int) -> jax.Array:
    """Return attention by blocks of queries; the gradient computes their scores again."""
    b, length, heads, width = query.shape
    kv_heads = key.shape[2]
    query = jnp.moveaxis((query * width**-0.5).reshape(b, length, kv_heads, -1, width), 1, 3)
    key, value = key.swapaxes(1, 2), value.swapaxes(1, 2)
    rows = list[jax.Array]()
    for first in range(0, length, _QUERIES):
        end = min(first + _QUERIES, length)
        seen = max(end, before) if first < before else end
        slot, asks = np.arange(seen), np.arange(first, end)[:, None]
        mask = (slot <= asks) | (slot < before) & (asks < before)
        rows.append(_block(query[..., first:end, :], key[:, :, :seen], value[:, :, :seen], mask))
    return jnp.moveaxis(jnp.concatenate(rows, axis=3), 3, 1).reshape(b, length, heads, width)


@jax.checkpoint
def _block(query: jax.Array, key: jax.Array, value: jax.Array, mask: np.ndarray) -> jax.Array:
    """Return `[B, N_kv, G, L, K]` for scaled queries of that shape, and keys and values `[B, N_kv, S, K]`."""
    scores = jnp.einsum("bnglk,bnsk->bngls", query, key, preferred_element_type=jnp.float32)
    weights = jax.nn.softmax(jnp.where(mask, scores, -1e30), axis=-1).astype(value.dtype)
    return jnp.einsum("bngls,bnsk->bnglk", weights, value)


def _splash(query: jax.Array, key: jax.Array, value: jax.Array, *, before: int) -> jax.Array:
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel, splash_attention_mask

    length, heads, width = query.shape[1:]
    slots = -(-length // _BLOCK) * _BLOCK
    slot = np.arange(slots)
    # Slots that fill up the last block come last, so no other sees them.
    mask = (slot[None] <= slot[:, None]) | (slot[None] < before) & (slot[:, None] < before)
    masks = splash_attention_mask.MultiHeadMask([splash_attention_mask.NumpyMask(mask)] * heads)
    run = splash_attention_kernel.make_splash_mha(masks, head_shards=1, q_seq_shards=1)

    def filled(x: jax.Array) -> jax.Array:
        """Return `[B, N, slots, K]`."""
        return jnp.pad(x, ((0, 0), (0, slots - length), (0, 0), (0, 0))).swapaxes(1, 2)

    y: Any = jax.vmap(run)(filled(query) * width**-0.5, filled(key), filled(value))
    return y.swapaxes(1, 2)[:, :length]
