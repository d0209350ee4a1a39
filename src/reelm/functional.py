"""Pure functions over parameters, for your own JAX code.

All of it runs under `jit`, `grad`, `vmap`, `scan` and `shard_map`, and on meshes of explicit or automatic axes. Only
`video_tokenizer`, `audio_tokenizer`, `language_model`, `prompt_prefix`, `for_decoding` and `SamplingParams.of` run
outside.

A tokenizer is a Flax module and its parameters. It encodes frames to latents, whose signs are the code. It decodes
codes, which are these signs, -1 and +1 as floats. Ids are the same codes as integers.

The language model is functions of `(config, params, ...)`. It reads a `Prefix`, which holds the words, and `ClipCodes`,
which hold ids. Axis letters: B batch, R rows, T H W frames, S samples or audio frames, C channels, t h w latent frames,
K bits of a code, F audio frames, L levels, N codes in the order of the stream, D width.

The names of this page are stable between versions; the modules that they come from may change.
"""

from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding
from jax.typing import DTypeLike

from reelm.lm import likelihood
from reelm.lm.layout import Layout, filled_up
from reelm.lm.likelihood import Logits, Nats
from reelm.lm.mesh import MeshSpec
from reelm.lm.net import embed, head, transformer
from reelm.lm.net.cache import Cache, empty_cache
from reelm.lm.net.config import LMConfig, Remat
from reelm.lm.net.rotary import SlotFields
from reelm.lm.net.transformer import init_params as init_language_model
from reelm.lm.parameters import for_decoding, for_training, unroll
from reelm.lm.prefix import ClipCodes, Prefix
from reelm.lm.prompts import prompt_prefix
from reelm.lm.sharding import of_batch as batch_sharding
from reelm.lm.sharding import of_state as param_shardings
from reelm.lm.specials import Group
from reelm.sampling.decoding.choose import SamplingParams, choose, draw, guide, keys_of, noise_of
from reelm.sampling.folder.load import DEFAULT
from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.tokenizer.audio.net import AudioNet
from reelm.tokenizer.code_spec import CodeSpec
from reelm.tokenizer.codes import bits_to_ids, ids_to_bits, ids_to_sub_tokens, sub_tokens_to_ids
from reelm.tokenizer.codes import ids_to_signs as codes
from reelm.tokenizer.codes import latents_to_ids as ids
from reelm.tokenizer.explicit_axes import automatic
from reelm.tokenizer.quantizer import quantize
from reelm.tokenizer.text.encoder import Text
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.net import VideoNet

__all__ = [
    "AudioNet",
    "AudioTokenizerConfig",
    "ClipCodes",
    "CodeSpec",
    "SamplingParams",
    "LMConfig",
    "Layout",
    "Logits",
    "MeshSpec",
    "Nats",
    "Prefix",
    "SlotFields",
    "VideoNet",
    "VideoTokenizerConfig",
    "all_logits",
    "audio_tokenizer",
    "batch_sharding",
    "bits_to_ids",
    "choose",
    "codes",
    "cross_entropy",
    "draw",
    "embed_codes",
    "extend",
    "for_decoding",
    "guide",
    "hidden",
    "ids",
    "ids_to_bits",
    "ids_to_sub_tokens",
    "init_language_model",
    "keys_of",
    "language_model",
    "logits",
    "noise_of",
    "param_shardings",
    "prefill",
    "prompt_prefix",
    "quantize",
    "sub_tokens_to_ids",
    "unroll",
    "video_tokenizer",
]


def video_tokenizer(name: str | None = None, *, dtype: DTypeLike | None = None) -> tuple[VideoNet, dict]:
    """Return the video tokenizer of a model as a Flax module, and its variables {"params": ...} in float32.

    `module.apply(variables, frames, method="encode")` gives latents, `method="decode"` gives frames of codes.

    Args:
        name: a model, as for `reelm.load`, or the folder of a training, whose newest averaged parameters it gives.
        dtype: number format of activations; None for float32.

    Raises:
        RequestError: there is no such model, or the training is of another part.
    """
    from reelm.train.parts import open_video_tokenizer

    tokenizer = open_video_tokenizer(name or DEFAULT)
    return VideoNet(tokenizer.config, dtype), {"params": _on_device(tokenizer.params)}


def audio_tokenizer(name: str | None = None, *, dtype: DTypeLike | None = None) -> tuple[AudioNet, dict]:
    """Return the audio tokenizer of a model as a Flax module, and its variables {"params": ...} in float32.

    Args:
        name: as for `video_tokenizer`.
        dtype: number format of activations; None for float32.

    Raises:
        RequestError: there is no such model, or it has no audio tokenizer.
    """
    from reelm.train.parts import open_audio_tokenizer

    tokenizer = open_audio_tokenizer(name or DEFAULT)
    return AudioNet(tokenizer.config, dtype), {"params": _on_device(tokenizer.params)}


def language_model(name: str | None = None, *, text_encoder: str | Path | None = None) -> tuple[LMConfig, dict, Text]:
    """Return the language model of a model: its sizes, its parameters in float32, and its text tokenizer or encoder.

    Args:
        name: as for `video_tokenizer`.
        text_encoder: as for `reelm.load`.

    Raises:
        RequestError: there is no such model, or it has no language model.
    """
    from reelm.train.parts import open_lm

    lm = open_lm(name or DEFAULT, None if text_encoder is None else Path(text_encoder)).model
    return lm.config, _on_device(lm.params), lm.text


def hidden(
    config: LMConfig,
    params: dict,
    prefix: Prefix,
    codes: ClipCodes,
    *,
    layers: int | None = None,
    dtype: DTypeLike = jnp.float32,
    remat: Remat = "full",
) -> jax.Array:
    """Return hidden states `[R, N, D]`; the n-th is read from the codes before code n, and predicts it.

    Args:
        config: sizes of the net.
        params: as `language_model` returns them.
        prefix: of R rows.
        codes: of R clips.
        layers: how many layers are run; None for all.
        dtype: number format of activations.
        remat: what a layer keeps for the backward pass.
    """
    params = for_training(config, params, dtype)
    params = params | {"layers": jax.tree.map(lambda leaf: leaf[:layers], params["layers"])}
    layout = config.layout_of(codes, prefix)

    def run(params: dict, prefix: Prefix, codes: ClipCodes) -> jax.Array:
        return transformer.forward_all(config, params, layout, prefix, codes, dtype, remat=remat)

    return automatic(run, params, prefix, codes, rows=codes.video)


def logits(
    config: LMConfig,
    params: dict,
    prefix: Prefix,
    codes: ClipCodes,
    *,
    dtype: DTypeLike = jnp.float32,
    remat: Remat = "full",
) -> Logits:
    """Return the logits of every code, given the prefix and all codes before it; arguments as for `hidden`."""
    run = partial(likelihood.logits, config, dtype=dtype, remat=remat)
    return automatic(run, for_training(config, params, dtype), prefix, codes, rows=codes.video)


def cross_entropy(
    config: LMConfig,
    params: dict,
    prefix: Prefix,
    codes: ClipCodes,
    *,
    dtype: DTypeLike = jnp.float32,
    remat: Remat = "full",
) -> Nats:
    """Return the cross entropy of every code in nats, the negative of its log-likelihood; arguments as for `hidden`.

    `-cross_entropy(...).video` is what `Model.score` returns.
    """
    run = partial(likelihood.cross_entropy, config, dtype=dtype, remat=remat)

    def results(cut: NamedSharding, whole: NamedSharding) -> tuple:
        return Nats._make((cut, cut, whole))

    own = for_training(config, params, dtype)
    return automatic(run, own, prefix, codes, rows=codes.video, results=results)


def prefill(
    config: LMConfig,
    params: dict,
    layout: Layout,
    prefix: Prefix,
    *,
    ahead: int = 1,
    dtype: DTypeLike = jnp.float32,
    control: jax.Array | None = None,
) -> tuple[jax.Array, Cache, SlotFields]:
    """Read the prefixes of R rows into a new KV cache.

    Args:
        config: sizes of the net.
        params: with unrolled layers, from `unroll` or `for_decoding`.
        layout: of the clips to come, from `config.layout` or `config.layout_of`.
        prefix: with as many pictures as the layout says, and with sound if it says so.
        ahead: most codes that `extend` is given at once.
        dtype: number format of activations and of the cache.
        control: `[R, 1, D]`, the embedded control of code 0; None without control.

    Returns:
        The input `[R, D]` of the slot that predicts code 0, the cache, and the fields of the slots, for `extend`.
    """

    def run(params: dict, prefix: Prefix, control: jax.Array | None) -> tuple[jax.Array, Cache, SlotFields]:
        rows, slots = prefix.words.shape[0], filled_up(layout.slots + ahead - 1)
        cache = empty_cache(config, rows, slots, dtype)
        last, cache = transformer.prefill(config, params, layout, prefix, cache, dtype, control)
        return last, cache, SlotFields.of(config, layout, slots, rows)

    return automatic(run, params, prefix, control, rows=prefix.words)


def extend(
    config: LMConfig,
    params: dict,
    inputs: jax.Array,
    first: jax.Array,
    fields: SlotFields,
    cache: Cache,
    *,
    seen: int | None = None,
    control: jax.Array | None = None,
) -> tuple[jax.Array, Cache]:
    """Predict W codes of R rows from the inputs of the slots before them.

    Args:
        config: sizes of the net.
        params: with unrolled layers, from `unroll` or `for_decoding`.
        inputs: `[R, W, D]`; for code 0 what `prefill` returns, for each later one `embed_codes` of the code before it.
        first: int32 `[R]`, index of each row's first predicted code.
        fields: from `prefill`.
        cache: of the slots before the inputs.
        seen: static number of slots to attend over. None attends to those that are filled, in a loop without gradient.
        control: `[R, W, D]`, the embedded control of the W codes; None without control.

    Returns:
        Hidden states `[R, W, D]` for `all_logits`, and the cache with the inputs' slots.
    """

    def run(params: dict, inputs: jax.Array, first: jax.Array, fields: SlotFields, cache: Cache, control: Any) -> Any:
        return transformer.extend(config, params, inputs, first, fields, cache, seen, control)

    return automatic(run, params, inputs, first, fields, cache, control, rows=inputs)


def all_logits(
    config: LMConfig, params: dict, group: Group, hidden: jax.Array, sub_tokens: jax.Array
) -> list[jax.Array]:
    """Return float32 logits `[..., 2^bits]` of every sub-token of codes, each given the true ones before it.

    Args:
        config: sizes of the net.
        params: of the language model, in any form.
        group: "video" for codes of pictures, "sound" for audio frames.
        hidden: `[..., D]`, from `hidden` or `extend`.
        sub_tokens: int32 `[..., n]`; the logits of the k-th do not depend on it, nor on later ones.
    """

    def run(params: dict, hidden: jax.Array, sub_tokens: jax.Array) -> list[jax.Array]:
        return head.all_logits(config, params, group, hidden, sub_tokens)

    return automatic(run, params, hidden, sub_tokens, rows=hidden)


def embed_codes(
    config: LMConfig, params: dict, group: Group, sub_tokens: jax.Array, dtype: DTypeLike = jnp.float32
) -> jax.Array:
    """Return the inputs `[..., D]` of slots that hold codes, given as sub-tokens int32 `[..., n]`.

    Args:
        config: sizes of the net.
        params: of the language model, in any form.
        group: "video" for codes of pictures, "sound" for audio frames.
        sub_tokens: of each code, from `ids_to_sub_tokens`; of an audio frame its levels.
        dtype: number format of activations.
    """

    def run(params: dict, sub_tokens: jax.Array) -> jax.Array:
        return embed.embed_codes(config, params, group, sub_tokens, dtype)

    return automatic(run, params, sub_tokens, rows=sub_tokens)


def _on_device(params: dict) -> dict:
    return jax.tree.map(jnp.asarray, params)
