"""Inputs of the first layer: embeddings of prefixes and codes. Parameters may be NumPy arrays from a file."""

import math
from typing import cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.lm.control.field import of_source
from reelm.lm.control.structure import structure_ids
from reelm.lm.layout import Layout
from reelm.lm.prefix import Array, ClipCodes, Prefix, flat
from reelm.lm.specials import HEAD, NAMES, SPECIALS, Group, PictureKind
from reelm.tokenizer.codes import are_known, ids_to_sub_tokens

from .config import LMConfig
from .head import ValueTable, of_group
from .linear import Linear


class CodeEmbedding(nn.Module):
    """Codes, as sub-tokens int32 `[..., n]` of `split` bits, to the sum of their embeddings `[..., D]`."""

    split: tuple[int, ...]
    width: int

    def setup(self):
        std = (2 * sum(self.split)) ** -0.5
        self.tables = [ValueTable(bits, self.width, std, std) for bits in self.split]

    def __call__(self, sub_tokens: jax.Array) -> jax.Array:
        parts = [jnp.asarray(table())[sub_tokens[..., k]] for k, table in enumerate(self.tables)]
        return sum(parts[1:], parts[0])


def slot_inputs(*parts: jax.Array, control: jax.Array | None = None) -> jax.Array:
    """Return the input `[R, L, D]` of the first layer: a prefix, codes, or a prefix and codes, embedded.

    Training and decoding both call this. The last slot of a prefix and every slot of a code predict the next code, so
    the control of a code is added to the input of the slot before it (ControlAR, arXiv 2410.02705, section 3.2).
    control: `[R, n, D]`, the control field of the codes that the last n slots predict, from `embed_control`; None
        without control.
    """
    x = jnp.concatenate(parts, axis=1)
    if control is None:
        return x
    return x + jnp.pad(control, ((0, 0), (x.shape[1] - control.shape[1], 0), (0, 0)))


def embed_control(
    config: LMConfig, params: dict, control: Array | None, grid: tuple[int, int], dtype: DTypeLike
) -> jax.Array | None:
    """Return vectors `[R, t h w, D]` of the inputs for each code of pictures before it is predicted.

    These are the control field and, for a net with a grid, the position of the code; None for a net without either.

    Args:
        control: `[R, t, h or 1, w or 1, C]`; None without control.
        grid: rows and columns (h, w) of a latent frame.
    """
    if control is None:
        return None
    control = jnp.asarray(control)
    field = cast(jax.Array, Linear(config.width, dtype).apply({"params": params["control"]}, control))
    if config.structures:
        field = field + _embed_structure(config, params, control, dtype)
    if any(config.grid):
        row, column = (params["places"][axis]["embedding"].astype(dtype) for axis in ("rows", "columns"))
        field = field + row[: grid[0], None] + column[: grid[1]]
    rows, frames = control.shape[:2]
    return jnp.broadcast_to(field, (rows, frames, *grid, config.width)).reshape(rows, -1, config.width)


def embed_prefix(config: LMConfig, params: dict, prefix: Prefix, dtype: DTypeLike) -> jax.Array:
    """Return `[R, before, D]`: references, given pictures, given sound, then words."""
    parts = [_embed_words(config, params, prefix, dtype)]
    rows, of_kind = prefix.words.shape[0], jnp.asarray(params["given"]["embedding"], dtype)
    if prefix.sound.shape[1]:
        sound = _embed_sound(config, params, jnp.asarray(prefix.sound), dtype)
        parts.insert(0, sound + of_kind[PictureKind.KNOWN] * (jnp.asarray(prefix.sound)[..., :1] >= 0))
    if prefix.kinds.shape[1]:
        kinds = jnp.asarray(prefix.kinds).reshape(rows, -1)
        codes = ids_to_sub_tokens(flat(prefix.codes), config.code)
        pictures = embed_codes(config, params, "video", codes, dtype)
        parts.insert(0, jnp.where(prefix.has_code.reshape(rows, -1, 1), pictures, 0) + of_kind[kinds])
    if prefix.numbers.shape[1]:
        parts.insert(0, _embed_references(config, params, prefix, dtype))
    return jnp.concatenate(parts, axis=1)


def embed_clip(config: LMConfig, params: dict, layout: Layout, codes: ClipCodes, dtype: DTypeLike) -> jax.Array:
    """Return `[R, N, D]`, the N codes of clips in the order of the stream; a code of pictures may be -1, unknown."""
    video = flat(codes.video)
    x = embed_codes(config, params, "video", ids_to_sub_tokens(jnp.maximum(video, 0), config.code), dtype)
    x = jnp.where(
        are_known(video, config.bits)[..., None], x, params["given"]["embedding"].astype(dtype)[PictureKind.UNKNOWN]
    )
    if not config.sound_levels:
        return x
    return layout.interleave(x, _embed_sound(config, params, jnp.asarray(codes.sound), dtype))


def embed_codes(config: LMConfig, params: dict, group: Group, sub_tokens: jax.Array, dtype: DTypeLike) -> jax.Array:
    """Return `[..., D]` of one group's codes, given as sub-tokens int32 `[..., n]`."""
    module, own = CodeEmbedding(config.split(group), config.width), of_group(params, group)["codes"]
    return cast(jax.Array, module.apply({"params": own}, sub_tokens)).astype(dtype)


def _embed_structure(config: LMConfig, params: dict, control: jax.Array, dtype: DTypeLike) -> jax.Array:
    """Return `[R, t, h, w, D]` of the codes in a control field; zeros where there is none."""
    ids, there = structure_ids(of_source(config.channels, "structure", control), config.bits)
    module = CodeEmbedding(config.code.split, config.width)
    embedded = module.apply({"params": params["structure"]}, ids_to_sub_tokens(ids, config.code))
    return jnp.where(there[..., None], cast(jax.Array, embedded), 0).astype(dtype)


def _embed_words(config: LMConfig, params: dict, prefix: Prefix, dtype: DTypeLike) -> jax.Array:
    """Return `[R, P, D]`; a text encoder's embeddings pass one linear layer and are added to those of the ids."""
    words = jnp.asarray(prefix.words)
    x = jnp.asarray(params["prefix"]["embedding"], dtype)[words]
    if not prefix.text.shape[1]:
        return x
    text = cast(jax.Array, Linear(config.width, dtype).apply({"params": params["text"]}, jnp.asarray(prefix.text)))
    return x.at[:, HEAD:].add(jnp.where(words[:, HEAD:, None] >= SPECIALS, text, 0))


def _embed_references(config: LMConfig, params: dict, prefix: Prefix, dtype: DTypeLike) -> jax.Array:
    """Return `[R, K p q, D]`: the embedded codes, plus the embeddings of the references' names."""
    of_kind, of_name = (jnp.asarray(params[name]["embedding"], dtype) for name in ("given", "prefix"))
    numbers = jnp.repeat(jnp.asarray(prefix.numbers), math.prod(prefix.references.shape[2:4]), axis=1)[..., None]
    codes = embed_codes(config, params, "video", ids_to_sub_tokens(flat(prefix.references), config.code), dtype)
    there = codes + of_kind[PictureKind.REFERENCE] + of_name[NAMES + numbers[..., 0]]
    return jnp.where(numbers > 0, there, of_kind[PictureKind.NOTHING])


def _embed_sound(config: LMConfig, params: dict, sound: jax.Array, dtype: DTypeLike) -> jax.Array:
    """Return `[R, S, D]` of audio frames int32 `[R, S, L]`; `PictureKind.NOTHING` where there is no track."""
    embedded = embed_codes(config, params, "sound", jnp.maximum(sound, 0), dtype)
    return jnp.where(sound[..., :1] >= 0, embedded, params["given"]["embedding"].astype(dtype)[PictureKind.NOTHING])
