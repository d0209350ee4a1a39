"""What the network reads, as vectors: the prefix of a sample, and the codes of its clip in the order of the stream."""

from typing import cast

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.lm.layout import Layout
from reelm.lm.prefix import ClipCodes, Prefix
from reelm.lm.specials import HEAD, SPECIALS, Given
from reelm.tokenizer.codes import ids_to_sub_tokens

from .config import LMConfig
from .head import embed_codes
from .linear import Linear


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


def embed_clip(config: LMConfig, params: dict, layout: Layout, codes: ClipCodes, dtype: DTypeLike) -> jax.Array:
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
