"""Codes: how a latent's sign bits become one integer, and how that integer splits into sub-tokens.

In: bits `bool [..., K]`. Out: ids `int32 [...]` in [0, 2^K), sub-tokens `int32 [..., n]` of at most ten bits each.
The order is fixed: bit j has weight 2^j, and sub-token 0 holds the lowest bits. Nothing here knows of nets.

A code of more than 30 bits is a few words on a device, `int32 [..., W]` of 30 bits each, the lowest first, and one
int64 on the host. Language models read ids on the device, so up to 30 bits.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from reelm.errors import RequestError

WORD_BITS = 30  # of a word: it is a non-negative int32, and -1 is none
MAX_BITS = 60  # two words, the widest code whose id is a non-negative int64


@dataclass(frozen=True, kw_only=True)
class CodeSpec:
    """The shape of one code: `bits` sign bits, cut into nearly equal sub-tokens of at most `sub_token_bits`.

    18 bits give two sub-tokens of 512 values each, in place of one vocabulary of 262,144 (MAGVIT-v2, arXiv 2310.05737,
    section 3.1, token factorization).
    """

    bits: int = 18
    sub_token_bits: int = 9

    def __post_init__(self):
        if not 1 <= self.bits <= MAX_BITS:
            raise RequestError(f"a code of {self.bits} bits does not fit an int64 id; choose 1 to {MAX_BITS}")
        if not 1 <= self.sub_token_bits <= 10:
            raise RequestError(f"sub-tokens of {self.sub_token_bits} bits are not supported; choose 1 to 10")

    @property
    def split(self) -> tuple[int, ...]:
        """Bits of each sub-token, lowest first: 18 -> (9, 9), 14 -> (7, 7), 20 -> (7, 7, 6)."""
        count = -(-self.bits // self.sub_token_bits)
        return tuple(self.bits // count + (k < self.bits % count) for k in range(count))

    @property
    def vocabulary(self) -> tuple[int, ...]:
        """Number of values of each sub-token."""
        return tuple(1 << bits for bits in self.split)

    @property
    def offsets(self) -> tuple[int, ...]:
        """Place of each sub-token's lowest bit in the id."""
        return tuple(sum(self.split[:k]) for k in range(len(self.split)))


def check_one_word(what: str, bits: int) -> None:
    """RequestError unless ids of so many bits are one word, as what is named `what` reads them."""
    if not 1 <= bits <= WORD_BITS:
        raise RequestError(f"{what} reads codes of 1 to {WORD_BITS} bits, one word of a device, not of {bits}")


def bits_to_ids(bits: jax.Array) -> jax.Array:
    """Join bits `bool [..., K]` into ids `int32 [...]`; K is at most 30."""
    check_one_word("an id on a device", bits.shape[-1])
    weights = jnp.left_shift(1, jnp.arange(bits.shape[-1], dtype=jnp.int32))
    return jnp.sum(bits.astype(jnp.int32) * weights, axis=-1, dtype=jnp.int32)


def ids_to_bits(ids: jax.Array, bits: int) -> jax.Array:
    """Split ids `int32 [...]` into bits `bool [..., bits]`; the inverse of `bits_to_ids`."""
    return (jnp.right_shift(ids[..., None], jnp.arange(bits, dtype=jnp.int32)) & 1).astype(bool)


def latents_to_ids(latents: jax.Array) -> jax.Array:
    """Return the ids int32 `[...]` of latents float `[..., K]`, whose signs are the bits; 0 counts as +1."""
    return bits_to_ids(latents >= 0)


def ids_to_signs(ids: jax.Array, bits: int) -> jax.Array:
    """Return ids int32 `[...]` as codes float32 `[..., bits]` of -1 and +1, which a decoder takes."""
    return 2.0 * ids_to_bits(ids, bits).astype(jnp.float32) - 1.0  # jnp.where of two numbers may drop the sharding


def latents_to_words(latents: jax.Array) -> jax.Array:
    """Return the words int32 `[..., W]` of latents float `[..., K]`, whose signs are the bits, as `latents_to_ids`."""
    count = latents.shape[-1]
    return jnp.stack([latents_to_ids(latents[..., i : i + WORD_BITS]) for i in range(0, count, WORD_BITS)], axis=-1)


def words_to_signs(words: jax.Array, bits: int) -> jax.Array:
    """Return words int32 `[..., W]` as codes float32 `[..., bits]` of -1 and +1; the inverse of `latents_to_words`."""
    parts = [ids_to_signs(words[..., i], min(WORD_BITS, bits - i * WORD_BITS)) for i in range(words.shape[-1])]
    return jnp.concatenate(parts, axis=-1)


def words_to_ids(words: np.ndarray) -> np.ndarray:
    """Return the ids `[...]` of words int32 `[..., W]` on the host: int32 of one word, int64 of two."""
    if words.shape[-1] == 1:
        return words[..., 0]
    return words[..., 0] + (words[..., 1].astype(np.int64) << WORD_BITS)


def ids_to_words(ids: np.ndarray, bits: int) -> np.ndarray:
    """Return the words int32 `[..., W]` of checked ids `[...]` of codes of so many bits; inverts `words_to_ids`."""
    parts = [ids >> i & (1 << WORD_BITS) - 1 for i in range(0, bits, WORD_BITS)]
    return np.stack(parts, axis=-1).astype(np.int32)


def ids_to_sub_tokens(ids: jax.Array, spec: CodeSpec) -> jax.Array:
    """Split ids `int32 [...]` into sub-tokens `int32 [..., n]`."""
    parts = [jnp.right_shift(ids, o) & (v - 1) for o, v in zip(spec.offsets, spec.vocabulary, strict=True)]
    return jnp.stack(parts, axis=-1)


def sub_tokens_to_ids(sub_tokens: jax.Array, spec: CodeSpec) -> jax.Array:
    """Join sub-tokens `int32 [..., n]` into ids `int32 [...]`; the inverse of `ids_to_sub_tokens`."""
    parts = [jnp.left_shift(sub_tokens[..., k], offset) for k, offset in enumerate(spec.offsets)]
    return sum(parts[1:], parts[0])


def check_ids(ids: np.ndarray, spec: CodeSpec) -> None:
    """Check that every id lies in [0, 2^K), else raise RequestError; JAX would clamp it silently."""
    ids = np.asarray(ids)
    if not np.issubdtype(ids.dtype, np.integer):
        raise RequestError(f"codes are integers, not {ids.dtype}")
    if ids.size and (ids.min() < 0 or ids.max() >= 1 << spec.bits):
        raise RequestError(
            f"codes run from {ids.min()} to {ids.max()}, but {spec.bits} bits are read here: "
            f"0 to {(1 << spec.bits) - 1}; were they made by another tokenizer?"
        )
