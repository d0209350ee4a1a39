"""Convert whole numbers to sign bits -1 and +1, most significant first. Loudness and pitch are encoded this way.

The first bits matter most, so the language model draws them first. This module does not know what a number means.
"""

import jax

from reelm.tokenizer.codes import bits_to_ids, ids_to_bits


def signs_of(number: jax.Array, bits: int) -> jax.Array:
    """Return the signs `float [..., bits]` of numbers `int32 [...]` in [0, 2^bits)."""
    return 2.0 * ids_to_bits(number, bits)[..., ::-1] - 1.0


def number_of(signs: jax.Array) -> jax.Array:
    """Return the numbers `int32 [...]` of signs `[..., bits]`; an unknown sign, 0, counts as -1."""
    return bits_to_ids(signs[..., ::-1] > 0)
