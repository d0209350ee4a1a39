"""The decoder-only Transformer: three pure functions over one parameter tree.

    forward_all  training: all slots at once             -> hidden states that predict every code
    prefill      decoding: the prefix, once              -> the KV cache
    extend       decoding: one or more further codes     -> hidden states that predict the next ones

Pre-norm blocks of attention and SwiGLU (RMSNorm, no biases). For training the parameters of the layers are stacked on a
leading axis (one compiled layer, scanned). For decoding `parameters.unroll` splits them into a tuple, because a scan
would copy the cache.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.lm.layout import Layout
from reelm.lm.prefix import ClipCodes, Prefix
from reelm.lm.sharding import constrain, gather
from reelm.lm.specials import SPECIALS, Group

from .attention import Attention, Slots
from .cache import Cache, LayerCache
from .config import Kernel, LMConfig, Remat
from .embed import CodeEmbedding, embed_clip, embed_control, embed_prefix, slot_inputs
from .fused_attention import PrefixAttention
from .head import code_head
from .linear import Linear
from .mlp import GatedMLP
from .rotary import SlotFields, query_and_key_angles, rotary_angles


class Block(nn.Module):
    """One layer: attention, then SwiGLU. Each reads a normalised copy of the residual stream and is added to it."""

    config: LMConfig
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self, x: jax.Array, slots: Slots, cache: LayerCache | None = None
    ) -> tuple[jax.Array, LayerCache | None]:
        """Return the residual stream `[R, L, D]` after the layer, and its cache; arguments as for `Attention`."""
        c = self.config
        attention = Attention(c.heads, c.kv_heads, c.head_width, self.dtype, name="attention")
        normalised = nn.RMSNorm(dtype=self.dtype, name="norm_attention")(x)
        y, cache = attention(normalised, slots, cache)
        x = x + y
        return x + GatedMLP(c.hidden, self.dtype, name="mlp")(nn.RMSNorm(dtype=self.dtype, name="norm_mlp")(x)), cache


def init_params(config: LMConfig, key: jax.Array) -> dict:
    """Return fresh float32 parameters {"prefix", "given", "codes", "layers" (stacked), "head"} as nested dicts.

    A model with sound also has "sound", which holds "codes" and "head" for codes of sound. One that reads a frozen text
    encoder also has "text", one with sources of control "control", and "structure" for codes of control clips.
    """
    prefix_key, code_key, layer_key, head_key = jax.random.split(key, 4)
    x = jnp.zeros((1, 2, config.width))
    no_angles = jnp.zeros((2, config.head_width // 2))
    slots = Slots(no_angles, no_angles, jnp.ones((2, 2), bool))
    block = Block(config, jnp.float32)

    def init_layer(layer_key: jax.Array) -> dict:
        params = cast(dict, block.init(layer_key, x, slots)["params"])
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
        # Small, so that a net that was trained without given pictures can be trained further with them. Not zero: in a
        # slot that holds nothing else, the gradient through the norm would be a thousand times too large.
        "given": {"embedding": 0.1 * jax.random.normal(prefix_key, (config.picture_kinds, config.width))},
        "layers": jax.vmap(init_layer)(jax.random.split(layer_key, config.layers)),
        **init_group("video", code_key, head_key),
    }
    if config.text_width:
        rows = jnp.zeros((1, config.text_width))
        text = Linear(config.width, jnp.float32).init(jax.random.fold_in(prefix_key, 1), rows)
        params |= {"text": text["params"]}
    if config.sound_levels:
        params |= {"sound": init_group("sound", jax.random.fold_in(code_key, 1), jax.random.fold_in(head_key, 1))}
    if config.control:
        # Zero, so that a net that was trained without control is the same net until it is trained further with it.
        params |= {"control": {"kernel": jnp.zeros((config.control, config.width))}}
    if config.structures:
        split = config.split("video")
        embedding = CodeEmbedding(split, config.width).init(code_key, jnp.zeros((1, len(split)), jnp.int32))["params"]
        params |= {"structure": jax.tree.map(jnp.zeros_like, embedding)}
    if any(config.grid):
        axes = zip(("rows", "columns"), config.grid, strict=True)
        params |= {"places": {axis: {"embedding": jnp.zeros((size, config.width))} for axis, size in axes}}
    return params


def forward_all(
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
    """Return hidden states `[R, N, D]`, the n-th of which predicts code n from the codes before it.

    Args:
        params: with stacked layers; under a mesh, as `parameters.for_training` returns them.
        layout: of the sample, from `config.layout`.
        prefix: with as many pictures as the layout says, and with sound if it says so.
        codes: of the sample; the last of its N codes is not read.
        attention: kernel; see `fused_attention.py`.
        remat: what a layer keeps for the backward pass.
    """
    control = embed_control(config, params, codes.control, (layout.rows, layout.columns), dtype)
    if control is not None and config.sound_levels:
        unasked = jnp.zeros((control.shape[0], layout.codes - control.shape[1], config.width), dtype)
        control = layout.interleave(control, unasked)
    x = slot_inputs(
        embed_prefix(config, params, prefix, dtype),
        embed_clip(config, params, layout, codes, dtype)[:, :-1],
        control=control,
    )
    row_angles = partial(_row_angles, config, layout, prefix)
    query_angles, key_angles = (row_angles(angles[:-1]) for angles in query_and_key_angles(config, layout))
    block = Block(config, dtype)
    mask = jnp.asarray(layout.mask[:-1, :-1]) if attention == "xla" else PrefixAttention(layout.before, attention)
    slots = Slots(query_angles, key_angles, mask)

    def layer(x: jax.Array, layer_params: dict) -> tuple[jax.Array, None]:
        x = block.apply({"params": gather(layer_params)}, x, slots)[0]
        return constrain(x, "batch", "slots", None), None

    x = constrain(x, "batch", "slots", None)
    x, _ = jax.lax.scan(_rematerialized(layer, remat), x, params["layers"])
    return constrain(x[:, layout.before - 1 :], "batch", "slots", None)


def prefill(
    config: LMConfig,
    params: dict,
    layout: Layout,
    prefix: Prefix,
    cache: Cache,
    dtype: DTypeLike = jnp.float32,
    control: jax.Array | None = None,
) -> tuple[jax.Array, Cache]:
    """Read the prefixes of R rows into a cache; return the input `[R, D]` of their last slot, and the cache.

    `extend` reads the last slot again, and so predicts code 0. The control of code 0 is seen by the whole prefix, and
    is not in the returned input.

    Args:
        params: with unrolled layers.
        control: `[R, 1, D]`, the control field of code 0, from `embed_control`; None without control.
    """
    row_angles = partial(_row_angles, config, layout, prefix)
    query_angles, key_angles = (
        row_angles(angles[: layout.shared_slots]) for angles in query_and_key_angles(config, layout)
    )
    inputs = embed_prefix(config, params, prefix, dtype)
    slots = Slots(query_angles, key_angles, jnp.ones((layout.before, layout.before), bool))
    x = slot_inputs(inputs, control=control)
    _, cache = _layers(config, params, x, slots, cache)
    return inputs[:, -1], cache


def extend(
    config: LMConfig,
    params: dict,
    inputs: jax.Array,
    first: jax.Array,
    fields: SlotFields,
    cache: Cache,
    seen: int | None,
    control: jax.Array | None = None,
) -> tuple[jax.Array, Cache]:
    """Predict W codes from the inputs of the slots in front of them.

    Args:
        params: with unrolled layers.
        inputs: `[R, W, D]`, of codes first - 1 ... first + W - 2, as from `embed_codes`; of code -1, the last slot of
            the prefix, as from `prefill`.
        first: traced, int32 `[R]`, index of each row's first predicted code in its clip.
        fields: of the clip's slots; the W codes may reach past the last code, where no prediction is of use.
        cache: holds the slots in front of the inputs', and has slots for them. Activations take its dtype.
        seen: static number of slots to attend over, at least before - 1 + first + W; a small one saves memory traffic.
            None attends to those that are filled, in a loop: faster on a CPU, where each slot costs arithmetic.
        control: `[R, W, D]`, the control field of the W codes, from `embed_control`; None without control.

    Returns:
        Hidden states `[R, W, D]` that predict codes first ... first + W - 1, and the cache with the inputs' slots.
    """
    x = slot_inputs(inputs, control=control)
    ahead, slot, here = x.shape[1], fields.before - 1 + first, fields.at(first, inputs.shape[1])
    mask = None if seen is None else jnp.arange(seen) <= slot[:, None, None] + jnp.arange(ahead)[:, None]
    return _layers(config, params, x, Slots(here.query_angles, here.key_angles, mask, slot), cache)


def _row_angles(config: LMConfig, layout: Layout, prefix: Prefix, angles: jax.Array) -> jax.Array:
    """Return angles `[L, K/2]` behind those of references and given pictures, `[R, n + L, K/2]`, which differ by row.

    Without either, `angles` itself.
    """
    if not layout.given_pictures and not layout.references:
        return angles
    of_pictures = rotary_angles(prefix.positions(layout), config.head_width, config.rope_base)
    return jnp.concatenate([of_pictures, jnp.broadcast_to(angles, (of_pictures.shape[0], *angles.shape))], axis=1)


def _rematerialized(layer: Callable, remat: Remat) -> Callable:
    if remat == "none":
        return layer
    keep = jax.checkpoint_policies.dots_with_no_batch_dims_saveable if remat == "dots" else None
    return jax.checkpoint(layer, policy=keep)


def _layers(
    config: LMConfig,
    params: dict,
    x: jax.Array,
    slots: Slots,
    cache: Cache,
) -> tuple[jax.Array, Cache]:
    block = Block(config, x.dtype)
    after: list[Any] = []
    for layer_params, layer_cache in zip(params["layers"], cache, strict=True):
        x, layer_cache = block.apply({"params": layer_params}, x, slots, layer_cache)
        after.append(layer_cache)
        x = constrain(x, "batch", None, None)
    return x, tuple(after)
