"""Encode the loudness of audio frames as sign bits, so that the nets see and return every sound at one loudness.

In: samples. Out: signs `float [B, F, N]`, -1 or +1, most significant first, and the amplitude that they encode.
Loudness is the root mean square of a frame in even steps of decibels. The lowest step is silence, which is decoded to
zeros. This module knows nothing of nets.
"""

import jax
import jax.numpy as jnp

from .digits import number_of, signs_of

RANGE_DB = 96.0  # from silence to above full scale: the range of 16 bits
LOWEST_DB = -84.0  # of the lowest step, which counts as silence; it equals three steps of 16-bit sound


def power(sound: jax.Array, hop: int) -> jax.Array:
    """Return the mean square `[B, F]` of each hop of `float [B, F hop, C]`."""
    hops = sound.reshape(sound.shape[0], -1, hop * sound.shape[2])
    return jnp.mean(jnp.square(hops), axis=-1)


def signs(sound: jax.Array, hop: int, bits: int) -> jax.Array:
    """Return the signs `[B, F, bits]` of the loudness of each hop of `float [B, F hop, C]` in [-1, 1]."""
    # Without the added constant, the gradient of the logarithm is not finite for silence.
    steps = jnp.round((10 * jnp.log10(power(sound, hop) + 1e-12) - LOWEST_DB) / _step(bits))
    number = jnp.clip(steps, 0, 2**bits - 1).astype(jnp.int32)
    return signs_of(number, bits)


def amplitude(signs: jax.Array) -> jax.Array:
    """Return the root mean square `[B, F]` that signs `[B, F, bits]` encode; 0 for silence."""
    number = number_of(signs)
    return jnp.where(number > 0, 10 ** ((LOWEST_DB + _step(signs.shape[-1]) * number) / 20), 0.0)


def _step(bits: int) -> float:
    """Return the decibels of one step."""
    return RANGE_DB / 2**bits
