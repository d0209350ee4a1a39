"""Codes: join a latent's sign bits into one integer, and split that integer into sub-tokens.

In: bits `bool [..., K]`. Out: ids, integers in [0, 2^K), sub-tokens `int32 [..., n]` of at most ten bits each. The
order is fixed: bit j has weight 2^j, and sub-token 0 holds the lowest bits. This module knows nothing of nets.

On the host an id is one integer: int32 up to 30 bits, int64 above, and -1 for none. Devices have no int64: there an id
of more than 30 bits is two words, int32 `[..., 2]`; the first word holds the lower 30 bits. `[...]` below means both
forms; `to_device` and `to_host` convert between them.
"""

import jax
import jax.numpy as jnp
import numpy as np

from reelm.errors import RequestError

from .code_spec import CodeSpec

WORD_BITS = 30  # bits of a word: it is a non-negative int32, and -1 means no code


def bits_to_ids(bits: jax.Array) -> jax.Array:
    """Join bits `bool [..., K]` into ids `int32 [...]`."""
    if bits.shape[-1] > WORD_BITS:
        return jnp.stack([bits_to_ids(bits[..., :WORD_BITS]), bits_to_ids(bits[..., WORD_BITS:])], axis=-1)
    weights = jnp.left_shift(1, jnp.arange(bits.shape[-1], dtype=jnp.int32))
    return jnp.sum(bits.astype(jnp.int32) * weights, axis=-1, dtype=jnp.int32)


def ids_to_bits(ids: jax.Array, bits: int) -> jax.Array:
    """Split ids `int32 [...]` into bits `bool [..., bits]`; the inverse of `bits_to_ids`."""
    if bits > WORD_BITS:
        parts = [ids_to_bits(ids[..., 0], WORD_BITS), ids_to_bits(ids[..., 1], bits - WORD_BITS)]
        return jnp.concatenate(parts, axis=-1)
    return (jnp.right_shift(ids[..., None], jnp.arange(bits, dtype=jnp.int32)) & 1).astype(bool)


def latents_to_ids(latents: jax.Array) -> jax.Array:
    """Return the ids int32 `[...]` of latents float `[..., K]`, whose signs are the bits; 0 counts as +1."""
    return bits_to_ids(latents >= 0)


def ids_to_signs(ids: jax.Array, bits: int) -> jax.Array:
    """Return ids int32 `[...]` as codes float32 `[..., bits]` of -1 and +1, the input of a decoder."""
    return 2.0 * ids_to_bits(ids, bits).astype(jnp.float32) - 1.0  # jnp.where of two numbers may drop the sharding


def ids_to_sub_tokens(ids: jax.Array, spec: CodeSpec) -> jax.Array:
    """Split ids `int32 [...]` into sub-tokens `int32 [..., n]`."""
    parts = [_from(ids, offset, spec) & (v - 1) for offset, v in zip(spec.offsets, spec.vocabulary, strict=True)]
    return jnp.stack(parts, axis=-1)


def _from(ids: jax.Array, offset: int, spec: CodeSpec) -> jax.Array:
    """Shift ids down by `offset` bits; bits above the next ten may be lost."""
    if spec.bits <= WORD_BITS:
        return jnp.right_shift(ids, offset)
    low, high = ids[..., 0], ids[..., 1]
    if offset >= WORD_BITS:
        return jnp.right_shift(high, offset - WORD_BITS)
    return jnp.right_shift(low, offset) | jnp.left_shift(high, WORD_BITS - offset)


def sub_tokens_to_ids(sub_tokens: jax.Array, spec: CodeSpec) -> jax.Array:
    """Join sub-tokens `int32 [..., n]` into ids `int32 [...]`; the inverse of `ids_to_sub_tokens`."""
    if spec.bits > WORD_BITS:
        bits = [ids_to_bits(sub_tokens[..., k], each) for k, each in enumerate(spec.split)]
        return bits_to_ids(jnp.concatenate(bits, axis=-1))
    parts = [jnp.left_shift(sub_tokens[..., k], offset) for k, offset in enumerate(spec.offsets)]
    return sum(parts[1:], parts[0])


def are_known(ids: jax.Array, bits: int) -> jax.Array:
    """Return for each of ids `int32 [...]` whether it is a code and not -1, as bool without the axis of words."""
    return (ids if bits <= WORD_BITS else ids[..., 0]) >= 0


def flip_bits(ids: jax.Array, flips: jax.Array) -> jax.Array:
    """Return ids with bits flipped where `flips` bool `[..., bits]` is True; an id of -1 stays -1."""
    return ids ^ bits_to_ids(flips & are_known(ids, flips.shape[-1])[..., None])


def to_device(ids: np.ndarray, bits: int) -> np.ndarray:
    """Convert ids of codes of this many bits from the form of the host to that of a device."""
    if bits <= WORD_BITS:
        return np.asarray(ids, np.int32)
    words = np.stack([ids & (1 << WORD_BITS) - 1, ids >> WORD_BITS], axis=-1)
    return np.where(ids[..., None] < 0, -1, words).astype(np.int32)


def to_host(ids: jax.Array | np.ndarray, bits: int) -> np.ndarray:
    """Convert ids of codes of this many bits from the form of a device to that of the host; undo `to_device`."""
    if bits <= WORD_BITS:
        return np.asarray(ids)
    words = np.asarray(ids).astype(np.int64)
    return np.where(words[..., 0] < 0, -1, words[..., 0] | words[..., 1] << WORD_BITS)


def check_ids(ids: np.ndarray, spec: CodeSpec) -> None:
    """Raise a RequestError unless every id is in [0, 2^K); JAX would clamp it silently."""
    ids = np.asarray(ids)
    if not np.issubdtype(ids.dtype, np.integer):
        raise RequestError(f"codes are integers, not {ids.dtype}")
    if ids.size and (ids.min() < 0 or ids.max() >= 1 << spec.bits):
        raise RequestError(
            f"codes run from {ids.min()} to {ids.max()}, but {spec.bits} bits are read here: "
            f"0 to {(1 << spec.bits) - 1}; were they made by another tokenizer?"
        )
