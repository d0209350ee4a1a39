"""The decoder-only Transformer: three pure functions over one parameter tree.

    score     training: all slots at once          -> hidden states that predict every code
    prefill   sampling: the prefix, once           -> hidden state that predicts code 0
    extend    sampling: one or more codes further  -> hidden states that predict the next ones

Pre-norm blocks of attention and SwiGLU (RMSNorm, no biases). Parameters of the layers are stacked on a leading axis for
training (one compiled layer, scanned) and cut into a tuple by `unroll` for sampling, where a scan would copy the cache.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.tokenizer.codes import CodeSpec, ids_to_sub_tokens
from reelm.tokenizer.request import RequestError

from .attention import Attention
from .cache import Cache, LayerCache
from .fused_attention import Kernel, PrefixAttention
from .head import CodeEmbedding, CodeHead, GatedMLP
from .positions import angles
from .prefix import Prefix
from .sharding import hold
from .stream import SPECIALS, Given, Layout

# What a layer of `score` keeps for the way back: "full" makes all its activations again (least memory; on a CPU also a
# quarter less time), "dots" keeps the results of its matmuls, "none" keeps everything.
Remat = Literal["full", "dots", "none"]


@dataclass(frozen=True, kw_only=True)
class LMConfig:
    """Sizes of the language model.

    Attributes:
        bits: sign bits of a video code.
        text_vocabulary: pieces of the text tokenizer.
        prefix: slots in front of the codes; the bucket that every prefix is filled up to.
        frames: latent frames of the longest clip it is trained on.
        width, layers: of the residual stream.
        heads, kv_heads, head_width: of attention; `heads` is a multiple of `kv_heads`.
        hidden: width inside the SwiGLU of a layer, and of the head's mixers.
        rope_base: the slowest rotation takes about 2 pi times this many steps of an axis.
    """

    bits: int = 18
    text_vocabulary: int = 512
    prefix: int = 24
    frames: int = 9
    width: int = 192
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    head_width: int = 48
    hidden: int = 512
    rope_base: float = 100.0

    def __post_init__(self):
        if self.heads % self.kv_heads:
            raise RequestError(f"heads ({self.heads}) must be a multiple of kv_heads ({self.kv_heads})")
        if self.head_width % 2:
            raise RequestError(f"head_width must be even, not {self.head_width}")

    @property
    def code(self) -> CodeSpec:
        return CodeSpec(bits=self.bits)


class Block(nn.Module):
    """One layer: attention, then SwiGLU, each on a normalised copy of the stream and added to it."""

    config: LMConfig
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x, aims, places, mask, cache: LayerCache | None = None, start=0):
        c = self.config
        attention = Attention(c.heads, c.kv_heads, c.head_width, self.dtype, name="attention")
        y, cache = attention(nn.RMSNorm(dtype=self.dtype, name="norm_attention")(x), aims, places, mask, cache, start)
        x = x + y
        return x + GatedMLP(c.hidden, self.dtype, name="mlp")(nn.RMSNorm(dtype=self.dtype, name="norm_mlp")(x)), cache


def init_params(config: LMConfig, key: jax.Array) -> dict:
    """Fresh float32 parameters {"prefix", "given", "codes", "layers" (stacked), "head"} as nested dicts."""
    prefix_key, code_key, layer_key, head_key = jax.random.split(key, 4)
    x = jnp.zeros((1, 2, config.width))
    turn = jnp.zeros((2, config.head_width // 2))
    block = Block(config, jnp.float32)

    def init_layer(layer_key: jax.Array) -> dict:
        params = cast(dict, block.init(layer_key, x, turn, turn, jnp.ones((2, 2), bool))["params"])
        # Layers start as the identity, so that depth does not slow the first steps.
        for part, out in (("attention", "out"), ("mlp", "down")):
            params[part][out]["kernel"] = jnp.zeros_like(params[part][out]["kernel"])
        return params

    sub_tokens = jnp.zeros((1, len(config.code.split)), jnp.int32)
    vocabulary = SPECIALS + config.text_vocabulary
    return {
        "prefix": {"embedding": jax.random.normal(prefix_key, (vocabulary, config.width))},
        # Learned from nothing: a net that was trained without given pictures can be trained further with them.
        "given": {"embedding": jnp.zeros((len(Given), config.width))},
        "codes": CodeEmbedding(config.code, config.width).init(code_key, sub_tokens)["params"],
        "layers": jax.vmap(init_layer)(jax.random.split(layer_key, config.layers)),
        "head": head(config, jnp.float32).init(head_key, x[0, :1], sub_tokens)["params"],
    }


def unroll(params: dict) -> dict:
    """The same parameters with `layers` as a tuple, one dict a layer, as `prefill` and `extend` want them."""
    count = jax.tree.leaves(params["layers"])[0].shape[0]

    def layer(i: int) -> dict:
        return jax.tree.map(lambda leaf: leaf[i], params["layers"])

    return {**params, "layers": tuple(map(layer, range(count)))}


def score(
    config: LMConfig,
    params: dict,
    layout: Layout,
    prefix: Prefix,
    codes: jax.Array,
    dtype: DTypeLike = jnp.float32,
    *,
    attention: Kernel = "xla",
    remat: Remat = "full",
) -> jax.Array:
    """Hidden states `[R, N, D]`, the n-th of which predicts code n, with the codes before it as input.

    Args:
        params: with stacked layers; under a mesh, as `weights.for_training` gives them.
        layout: of the sample; its prefix is `config.prefix`.
        prefix: with `layout.given` pictures.
        codes: sub-tokens int32 `[R, N, n]` of all N codes in raster order; the last one is not read.
        attention: the kernel; see `fused_attention.py`.
        remat: what a layer keeps for the way back.
    """
    x = jnp.concatenate(
        [embed_prefix(config, params, prefix, dtype), embed_codes(config, params, codes[:, :-1], dtype)], axis=1
    )
    aims, places = (_after_given(config, layout, prefix, turn[:-1]) for turn in turns(config, layout))
    block = Block(config, dtype)
    mask = jnp.asarray(layout.mask[:-1, :-1]) if attention == "xla" else PrefixAttention(layout.before, attention)

    def layer(x: jax.Array, layer_params: dict) -> tuple[jax.Array, None]:
        x = block.apply({"params": layer_params}, x, aims, places, mask)[0]
        return hold(x, "batch", "slots", None), None

    x = hold(x, "batch", "slots", None)
    x, _ = jax.lax.scan(_rematerialized(layer, remat), x, params["layers"])
    return hold(x[:, layout.before - 1 :], "batch", "slots", None)


def prefill(
    config: LMConfig, params: dict, layout: Layout, prefix: Prefix, cache: Cache, dtype: DTypeLike = jnp.float32
) -> tuple[jax.Array, Cache]:
    """Reads prefixes of R rows into a cache -> (hidden state `[R, D]` that predicts code 0, the cache)."""
    aims, places = (_after_given(config, layout, prefix, turn[: layout.prefix]) for turn in turns(config, layout))
    x, mask = embed_prefix(config, params, prefix, dtype), jnp.ones((layout.before, layout.before), bool)
    x, cache = _layers(config, params, x, aims, places, mask, cache, 0)
    return x[:, -1], cache


def extend(
    config: LMConfig,
    params: dict,
    layout: Layout,
    codes: jax.Array,
    first: jax.Array,
    cache: Cache,
    seen: int,
    dtype: DTypeLike = jnp.float32,
) -> tuple[jax.Array, Cache]:
    """Reads W more codes and predicts what follows each of them.

    Args:
        params: with unrolled layers.
        layout: of the whole clip; the window may reach past its end, where nothing of use is predicted.
        codes: sub-tokens int32 `[B, W, n]` of codes first ... first + W - 1.
        first: traced index of the first of them in the clip.
        cache: holds the prefix and all codes before `first`; has room for the window.
        seen: static number of slots to attend over, at least before + first + W; a short one saves memory traffic.

    Returns:
        Hidden states `[B, W, D]` that predict codes first + 1 ... first + W, and the cache with W more slots.
    """
    window = codes.shape[1]
    # A slice that reached past the end would be moved back in silence, and turn every code of the window wrongly.
    longer = (jnp.pad(turn, ((0, window - 1), (0, 0))) for turn in turns(config, layout))
    aims, places = (jax.lax.dynamic_slice_in_dim(turn, layout.prefix + first, window) for turn in longer)
    slot = layout.before + first
    mask = jnp.arange(seen)[None] <= slot + jnp.arange(window)[:, None]
    return _layers(config, params, embed_codes(config, params, codes, dtype), aims, places, mask, cache, slot)


def empty_cache(config: LMConfig, batch: int, slots: int, dtype: DTypeLike = jnp.float32) -> Cache:
    """A cache of zeros for `batch` rows of `slots` slots."""
    return tuple(
        LayerCache.zeros(batch, slots, config.kv_heads, config.head_width, dtype) for _ in range(config.layers)
    )


def head(config: LMConfig, dtype: DTypeLike) -> CodeHead:
    """The module that turns hidden states into logits of sub-tokens."""
    return CodeHead(config.code, config.width, config.hidden, dtype)


def logits(config: LMConfig, params: dict, hidden: jax.Array, sub_tokens: jax.Array, k: int) -> jax.Array:
    """float32 logits of sub-token `k` for hidden states `[..., D]`, given sub-tokens 0 ... k - 1."""
    module = head(config, hidden.dtype)
    return cast(jax.Array, module.apply({"params": params["head"]}, hidden, sub_tokens, k, method=CodeHead.logits))


def embed_prefix(config: LMConfig, params: dict, prefix: Prefix, dtype: DTypeLike) -> jax.Array:
    """`[R, before, D]`: given pictures, then words."""
    words = params["prefix"]["embedding"].astype(dtype)[prefix.words]
    if not prefix.kinds.shape[1]:
        return words
    rows = prefix.kinds.shape[0]
    kinds = jnp.asarray(prefix.kinds).reshape(rows, -1)
    codes = ids_to_sub_tokens(jnp.asarray(prefix.codes).reshape(rows, -1), config.code)
    given = jnp.where(prefix.has_code.reshape(rows, -1, 1), embed_codes(config, params, codes, dtype), 0)
    return jnp.concatenate([given + params["given"]["embedding"].astype(dtype)[kinds], words], axis=1)


def embed_codes(config: LMConfig, params: dict, sub_tokens: jax.Array, dtype: DTypeLike) -> jax.Array:
    embedded = CodeEmbedding(config.code, config.width).apply({"params": params["codes"]}, sub_tokens)
    return cast(jax.Array, embedded).astype(dtype)


def turns(config: LMConfig, layout: Layout) -> tuple[jax.Array, jax.Array]:
    """Angles of queries and of keys, `[prefix + codes, K/2]` each."""
    aims, places = (angles(line, config.head_width, config.rope_base) for line in (layout.aims, layout.places))
    return aims, places


def _after_given(config: LMConfig, layout: Layout, prefix: Prefix, turn: jax.Array) -> jax.Array:
    """Angles `[L, K/2]` with those of the given pictures in front: `[R, given + L, K/2]`, as they differ by row."""
    if not layout.given:
        return turn
    of_given = angles(prefix.places(layout.grid), config.head_width, config.rope_base)
    return jnp.concatenate([of_given, jnp.broadcast_to(turn, (of_given.shape[0], *turn.shape))], axis=1)


def _rematerialized(layer: Callable, remat: Remat) -> Callable:
    if remat == "none":
        return layer
    keep = jax.checkpoint_policies.dots_with_no_batch_dims_saveable if remat == "dots" else None
    return jax.checkpoint(layer, policy=keep)


def _layers(config: LMConfig, params: dict, x, aims, places, mask, cache: Cache, start) -> tuple[jax.Array, Cache]:
    block = Block(config, x.dtype)
    after: list[Any] = []
    for layer_params, layer_cache in zip(params["layers"], cache, strict=True):
        x, layer_cache = block.apply({"params": layer_params}, x, aims, places, mask, layer_cache, start)
        after.append(layer_cache)
        x = hold(x, "batch", None, None)
    return x, tuple(after)
