"""The decoder-only Transformer: three pure functions over one parameter tree.

    score     training: all slots at once          -> hidden states that predict every code
    prefill   sampling: the prefix, once           -> hidden state that predicts code 0
    extend    sampling: one or more codes further  -> hidden states that predict the next ones

Pre-norm blocks of attention and SwiGLU (RMSNorm, no biases). Parameters of the layers are stacked on a leading axis for
training (one compiled layer, scanned) and cut into a tuple by `unroll` for sampling, where a scan would copy the cache.
"""

from collections.abc import Callable
from typing import Any, Literal, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from jax.typing import DTypeLike

from reelm.lm.layout import Layout
from reelm.lm.prefix import ClipCodes, Prefix
from reelm.lm.sharding import gather, hold
from reelm.lm.specials import SPECIALS, Given, Group

from .attention import Attention
from .cache import Cache, LayerCache
from .config import LMConfig
from .embed import embed_clip, embed_prefix
from .fused_attention import Kernel, PrefixAttention
from .head import CodeEmbedding, GatedMLP, code_head
from .linear import Linear
from .positions import angles

# What a layer of `score` keeps for the way back: "full" makes all its activations again (least memory; on a CPU also a
# quarter less time), "dots" keeps the results of its matmuls, "none" keeps everything.
Remat = Literal["full", "dots", "none"]


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
    """Fresh float32 parameters {"prefix", "given", "codes", "layers" (stacked), "head"} as nested dicts.

    A model with sound has "sound" as well, which holds "codes" and "head" for codes of sound, and one that reads a
    frozen text encoder has "text".
    """
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

    def init_group(group: Group, code_key: jax.Array, head_key: jax.Array) -> dict:
        split = config.split(group)
        sub_tokens = jnp.zeros((1, len(split)), jnp.int32)
        return {
            "codes": CodeEmbedding(split, config.width).init(code_key, sub_tokens)["params"],
            "head": code_head(config, group, jnp.float32).init(head_key, x[0, :1], sub_tokens)["params"],
        }

    vocabulary = SPECIALS + config.text_vocabulary
    params = {
        "prefix": {"embedding": jax.random.normal(prefix_key, (vocabulary, config.width))},
        # Small: a net that was trained without given pictures can be trained further with them. Not zero, where the
        # gradient through the norm of a slot that holds nothing else would be a thousand times too large.
        "given": {"embedding": 0.1 * jax.random.normal(prefix_key, (len(Given), config.width))},
        "layers": jax.vmap(init_layer)(jax.random.split(layer_key, config.layers)),
        **init_group("video", code_key, head_key),
    }
    if config.text_width:
        rows = jnp.zeros((1, config.text_width))
        text = Linear(config.width, jnp.float32).init(jax.random.fold_in(prefix_key, 1), rows)
        params |= {"text": text["params"]}
    if config.sound_levels:
        params |= {"sound": init_group("sound", jax.random.fold_in(code_key, 1), jax.random.fold_in(head_key, 1))}
    return params


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
    codes: ClipCodes,
    dtype: DTypeLike = jnp.float32,
    *,
    attention: Kernel = "xla",
    remat: Remat = "full",
) -> jax.Array:
    """Hidden states `[R, N, D]`, the n-th of which predicts code n, with the codes before it as input.

    Args:
        params: with stacked layers; under a mesh, as `weights.for_training` gives them.
        layout: of the sample, from `config.layout`.
        prefix: with `layout.given` pictures, and sound when `layout.heard`.
        codes: of the sample; the last one of its N codes is not read.
        attention: the kernel; see `fused_attention.py`.
        remat: what a layer keeps for the way back.
    """
    x = embed_prefix(config, params, prefix, dtype)
    x = jnp.concatenate([x, embed_clip(config, params, layout, codes, dtype)[:, :-1]], axis=1)
    aims, places = (_after_given(config, layout, prefix, turn[:-1]) for turn in turns(config, layout))
    block = Block(config, dtype)
    mask = jnp.asarray(layout.mask[:-1, :-1]) if attention == "xla" else PrefixAttention(layout.before, attention)

    def layer(x: jax.Array, layer_params: dict) -> tuple[jax.Array, None]:
        x = block.apply({"params": gather(layer_params)}, x, aims, places, mask)[0]
        return hold(x, "batch", "slots", None), None

    x = hold(x, "batch", "slots", None)
    x, _ = jax.lax.scan(_rematerialized(layer, remat), x, params["layers"])
    return hold(x[:, layout.before - 1 :], "batch", "slots", None)


def prefill(
    config: LMConfig, params: dict, layout: Layout, prefix: Prefix, cache: Cache, dtype: DTypeLike = jnp.float32
) -> tuple[jax.Array, Cache]:
    """Reads prefixes of R rows into a cache -> (hidden state `[R, D]` that predicts code 0, the cache)."""
    fixed = layout.heard_slots + layout.prefix
    aims, places = (_after_given(config, layout, prefix, turn[:fixed]) for turn in turns(config, layout))
    x, mask = embed_prefix(config, params, prefix, dtype), jnp.ones((layout.before, layout.before), bool)
    x, cache = _layers(config, params, x, aims, places, mask, cache, 0)
    return x[:, -1], cache


class Line(struct.PyTreeNode):
    """Where the codes of a clip stand: traced, so that clips behind other prefixes share their programs.

    Attributes:
        before: int32 scalar, slots in front of them.
        aims, places: `[N, K/2]`, how queries and keys turn that read code 0, 1, ...; zeros behind the last.
    """

    before: jax.Array
    aims: jax.Array
    places: jax.Array

    @classmethod
    def of(cls, config: LMConfig, layout: Layout, length: int) -> "Line":
        """The line of a layout, with room for `length` codes: a window may reach past the last."""
        first = layout.heard_slots + layout.prefix
        # A slice that reached past the end would be moved back in silence, and turn every code of the window wrongly.
        room = ((0, length - layout.codes), (0, 0))
        aims, places = (jnp.pad(turn[first:], room) for turn in turns(config, layout))
        return cls(before=jnp.asarray(layout.before, jnp.int32), aims=aims, places=places)


def extend(
    config: LMConfig, params: dict, line: Line, x: jax.Array, first: jax.Array, cache: Cache, seen: int
) -> tuple[jax.Array, Cache]:
    """Reads W more codes and predicts what follows each of them.

    Args:
        params: with unrolled layers.
        line: of the whole clip; the window may reach past its end, where nothing of use is predicted.
        x: `[B, W, D]`, codes first ... first + W - 1 as `embed_codes` gives them.
        first: traced index of the first of them in the clip.
        cache: holds the prefix and all codes before `first`; has room for the window.
        seen: static number of slots to attend over, at least before + first + W; a short one saves memory traffic.

    Returns:
        Hidden states `[B, W, D]` that predict codes first + 1 ... first + W, and the cache with W more slots.
    """
    window, slot = x.shape[1], line.before + first
    aims, places = (jax.lax.dynamic_slice_in_dim(turn, first, window) for turn in (line.aims, line.places))
    mask = jnp.arange(seen)[None] <= slot + jnp.arange(window)[:, None]
    return _layers(config, params, x, aims, places, mask, cache, slot)


def empty_cache(config: LMConfig, batch: int, slots: int, dtype: DTypeLike = jnp.float32) -> Cache:
    """A cache of zeros for `batch` rows of `slots` slots."""
    return tuple(
        LayerCache.zeros(batch, slots, config.kv_heads, config.head_width, dtype) for _ in range(config.layers)
    )


def turns(config: LMConfig, layout: Layout) -> tuple[jax.Array, jax.Array]:
    """Angles of queries and of keys, `[heard_slots + prefix + codes, K/2]` each."""
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
