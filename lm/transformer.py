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
from .linear import Linear
from .positions import angles
from .prefix import ClipCodes, Prefix
from .sharding import gather, hold
from .stream import HEAD, SPECIALS, Given, Group, Layout

# What a layer of `score` keeps for the way back: "full" makes all its activations again (least memory; on a CPU also a
# quarter less time), "dots" keeps the results of its matmuls, "none" keeps everything.
Remat = Literal["full", "dots", "none"]


@dataclass(frozen=True, kw_only=True)
class LMConfig:
    """Sizes of the language model.

    Attributes:
        bits: sign bits of a video code.
        text_vocabulary: pieces of the text tokenizer; 1, "here is text", of a model that reads a frozen text encoder.
        text_width: of the embeddings of that encoder; 0 for a model of pieces, which has embeddings of its own.
        prefix: slots in front of the codes; the bucket that every prefix is filled up to.
        frames: latent frames of the longest clip it is trained on.
        width, layers: of the residual stream.
        heads, kv_heads, head_width: of attention; `heads` is a multiple of `kv_heads`.
        hidden: width inside the SwiGLU of a layer, and of the head's mixers.
        rope_base: the slowest rotation takes about 2 pi times this many steps of an axis.
        sound_levels: codes of an audio frame, one sub-token each; 0 for a model of pictures alone.
        sound_bits: sign bits of each.
        sound_frames: audio frames beside the stream's first latent frame, and beside each later one.
        sound_hidden: width inside the mixers of the head of sound; None for `hidden`. There is one for each level but
            the last, which adds up in a wide net.
    """

    bits: int = 18
    text_vocabulary: int = 512
    text_width: int = 0
    prefix: int = 24
    frames: int = 9
    width: int = 192
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    head_width: int = 48
    hidden: int = 512
    rope_base: float = 100.0
    sound_levels: int = 0
    sound_bits: int = 9
    sound_frames: tuple[int, int] = (0, 0)
    sound_hidden: int | None = None

    def __post_init__(self):
        object.__setattr__(self, "sound_frames", tuple(self.sound_frames))  # a list comes from JSON; a config must hash
        if self.text_width < 0 or self.text_width and self.text_vocabulary != 1:
            raise RequestError(
                f"text is {self.text_vocabulary} pieces of a text_width of {self.text_width}; it is pieces of width 0, "
                "or one piece (text_vocabulary 1) beside the embeddings of a text encoder"
            )
        if self.heads % self.kv_heads:
            raise RequestError(f"heads ({self.heads}) must be a multiple of kv_heads ({self.kv_heads})")
        if self.head_width % 2:
            raise RequestError(f"head_width must be even, not {self.head_width}")
        first, later = self.sound_frames
        if not (self.sound_levels > 0 and 0 < first <= later or self.sound_levels == first == later == 0):
            raise RequestError(
                f"sound has levels, and frames beside the first latent frame and each later one, or none of these; "
                f"not {self.sound_levels} levels and {first} and {later} frames"
            )

    @property
    def text_slots(self) -> int:
        """Slots of text in a prefix."""
        return self.prefix - HEAD

    @property
    def code(self) -> CodeSpec:
        """The code of a picture."""
        return CodeSpec(bits=self.bits)

    def split(self, group: Group) -> tuple[int, ...]:
        """Bits of each sub-token of a code."""
        return self.code.split if group == "video" else (self.sound_bits,) * self.sound_levels

    def layout(
        self, frames: int, rows: int, columns: int, *, given: int = 0, begins: bool = True, heard: bool = False
    ) -> Layout:
        """Where everything stands in samples of this model."""
        return Layout(self.prefix, frames, rows, columns, given, self.sound_frames, begins, heard)

    def layout_of(self, codes: ClipCodes, prefix: Prefix) -> Layout:
        """The layout of these arrays. A first latent frame with as much sound as others begins no stream."""
        begins = codes.sound.shape[1] != codes.video.shape[1] * self.sound_frames[1]
        heard, given = prefix.sound.shape[1] > 0, prefix.kinds.shape[1]
        return self.layout(*codes.video.shape[1:], given=given, begins=begins, heard=heard)


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
            "head": head(config, group, jnp.float32).init(head_key, x[0, :1], sub_tokens)["params"],
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
    x = jnp.concatenate([x, _embed_clip(config, params, layout, codes, dtype)[:, :-1]], axis=1)
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


def extend(
    config: LMConfig,
    params: dict,
    layout: Layout,
    x: jax.Array,
    first: jax.Array,
    cache: Cache,
    seen: int,
) -> tuple[jax.Array, Cache]:
    """Reads W more codes and predicts what follows each of them.

    Args:
        params: with unrolled layers.
        layout: of the whole clip; the window may reach past its end, where nothing of use is predicted.
        x: `[B, W, D]`, codes first ... first + W - 1 as `embed_codes` gives them.
        first: traced index of the first of them in the clip.
        cache: holds the prefix and all codes before `first`; has room for the window.
        seen: static number of slots to attend over, at least before + first + W; a short one saves memory traffic.

    Returns:
        Hidden states `[B, W, D]` that predict codes first + 1 ... first + W, and the cache with W more slots.
    """
    window = x.shape[1]
    # A slice that reached past the end would be moved back in silence, and turn every code of the window wrongly.
    longer = (jnp.pad(turn, ((0, window - 1), (0, 0))) for turn in turns(config, layout))
    begin = layout.heard_slots + layout.prefix + first
    aims, places = (jax.lax.dynamic_slice_in_dim(turn, begin, window) for turn in longer)
    slot = layout.before + first
    mask = jnp.arange(seen)[None] <= slot + jnp.arange(window)[:, None]
    return _layers(config, params, x, aims, places, mask, cache, slot)


def empty_cache(config: LMConfig, batch: int, slots: int, dtype: DTypeLike = jnp.float32) -> Cache:
    """A cache of zeros for `batch` rows of `slots` slots."""
    return tuple(
        LayerCache.zeros(batch, slots, config.kv_heads, config.head_width, dtype) for _ in range(config.layers)
    )


def head(config: LMConfig, group: Group, dtype: DTypeLike) -> CodeHead:
    """The module that turns hidden states into logits of a group's sub-tokens."""
    hidden = config.hidden if group == "video" else config.sound_hidden or config.hidden
    return CodeHead(config.split(group), config.width, hidden, dtype)


def of_group(params: dict, group: Group) -> dict:
    """The parameters {"codes", "head"} that a group has of its own, among others."""
    return params if group == "video" else params["sound"]


def logits(config: LMConfig, params: dict, group: Group, hidden: jax.Array, sub_tokens: jax.Array, k: int) -> jax.Array:
    """float32 logits of sub-token `k` for hidden states `[..., D]`, given sub-tokens 0 ... k - 1."""
    module, own = head(config, group, hidden.dtype), of_group(params, group)["head"]
    return cast(jax.Array, module.apply({"params": own}, hidden, sub_tokens, k, method=CodeHead.logits))


def embed_codes(config: LMConfig, params: dict, group: Group, sub_tokens: jax.Array, dtype: DTypeLike) -> jax.Array:
    """Codes of one group, as sub-tokens int32 `[..., n]`, to `[..., D]`."""
    module, own = CodeEmbedding(config.split(group), config.width), of_group(params, group)["codes"]
    return cast(jax.Array, module.apply({"params": own}, sub_tokens)).astype(dtype)


def embed_prefix(config: LMConfig, params: dict, prefix: Prefix, dtype: DTypeLike) -> jax.Array:
    """`[R, before, D]`: given pictures, given sound, then words."""
    parts = [_embed_words(config, params, prefix, dtype)]
    rows, known = prefix.words.shape[0], params["given"]["embedding"].astype(dtype)
    if prefix.sound.shape[1]:
        sound = _embed_sound(config, params, jnp.asarray(prefix.sound), dtype)
        parts.insert(0, sound + known[Given.KNOWN] * (jnp.asarray(prefix.sound)[..., :1] >= 0))
    if prefix.kinds.shape[1]:
        kinds = jnp.asarray(prefix.kinds).reshape(rows, -1)
        codes = ids_to_sub_tokens(jnp.asarray(prefix.codes).reshape(rows, -1), config.code)
        given = embed_codes(config, params, "video", codes, dtype)
        parts.insert(0, jnp.where(prefix.has_code.reshape(rows, -1, 1), given, 0) + known[kinds])
    return jnp.concatenate(parts, axis=1)


def _embed_words(config: LMConfig, params: dict, prefix: Prefix, dtype: DTypeLike) -> jax.Array:
    """`[R, P, D]`; embeddings of a frozen encoder are added through one linear layer, whose bias is that of the ids."""
    words = jnp.asarray(prefix.words)
    x = params["prefix"]["embedding"].astype(dtype)[words]
    if not prefix.text.shape[1]:
        return x
    text = cast(jax.Array, Linear(config.width, dtype).apply({"params": params["text"]}, jnp.asarray(prefix.text)))
    return x.at[:, HEAD:].add(jnp.where(words[:, HEAD:, None] >= SPECIALS, text, 0))


def _embed_clip(config: LMConfig, params: dict, layout: Layout, codes: ClipCodes, dtype: DTypeLike) -> jax.Array:
    """`[R, N, D]`, in the order of the stream."""
    video = jnp.asarray(codes.video).reshape(codes.video.shape[0], -1)
    x = embed_codes(config, params, "video", ids_to_sub_tokens(video, config.code), dtype)
    if not config.sound_levels:
        return x
    return layout.interleave(x, _embed_sound(config, params, jnp.asarray(codes.sound), dtype))


def _embed_sound(config: LMConfig, params: dict, sound: jax.Array, dtype: DTypeLike) -> jax.Array:
    """Audio frames int32 `[R, S, L]` to `[R, S, D]`; where there is no track, "nothing"."""
    embedded = embed_codes(config, params, "sound", jnp.maximum(sound, 0), dtype)
    return jnp.where(sound[..., :1] >= 0, embedded, params["given"]["embedding"].astype(dtype)[Given.NOTHING])


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
