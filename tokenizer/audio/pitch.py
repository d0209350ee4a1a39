"""Encode the pitch of the loudest high-frequency peak of a frame as sign bits, and make the wave of that pitch.

A small net that predicts hundreds of coefficients at once confuses a high pure tone with its neighbours. When it is
given the pitch, it predicts only phase and size. In: samples. Out: signs `float [B, F, N]`, -1 or +1, most significant
first, and waves made from signs. Pitches are in cycles a sample, in even fractions of an octave. This module knows
nothing of nets.
"""

import jax
import jax.numpy as jnp
import numpy as np

from reelm.tokenizer.history import History

from .digits import number_of, signs_of

LOWEST = 1 / 16  # cycles a sample: 1 kHz of sound at 16 kHz
OCTAVES = 128 / 43  # up to 7.7 kHz. With 7 bits a step is 1/43 octave; fifths and thirds are close to whole steps


def signs(sound: jax.Array, hop: int, bits: int, history: History) -> jax.Array:
    """Return the signs `[B, F, bits]` of the pitch of each hop of `float [B, F hop, C]` and the hop before it."""
    batch, samples, channels = sound.shape
    frames = history.join(sound.reshape(batch, samples // hop, hop, channels), pad=1, keep=1)
    windows = jnp.concatenate([frames[:, :-1], frames[:, 1:]], axis=2)
    spectrum = jnp.fft.rfft(windows * np.hanning(2 * hop).astype(np.float32)[:, None], axis=2)
    power = jnp.sum(jnp.square(spectrum.real) + jnp.square(spectrum.imag), axis=3)
    first, last = int(LOWEST * 2 * hop), int(LOWEST * 2 ** (OCTAVES - _step(bits)) * 2 * hop)
    peak = first + jnp.argmax(power[:, :, first : last + 1], axis=2)
    # A parabola through the logarithms around the peak locates it between two frequencies.
    before, at, after = (
        jnp.log(jnp.take_along_axis(power, (peak + i)[..., None], axis=2)[..., 0] + 1e-12) for i in (-1, 0, 1)
    )
    aside = jnp.clip(0.5 * (before - after) / jnp.minimum(before - 2 * at + after, -1e-6), -0.5, 0.5)
    steps = jnp.round(jnp.log2((peak + aside) / (2 * hop * LOWEST)) / _step(bits))
    number = jnp.clip(steps, 0, 2**bits - 1).astype(jnp.int32)
    return signs_of(number, bits)


def waves(signs: jax.Array, hop: int, samples: int, history: History) -> jax.Array:
    """Return cosine and sine `[B, F, 2, samples]` at the pitches that signs encode, from the start of each frame.

    The phase continues from the frame before, so that a constant pitch is one wave through all frames. Phases are
    integers in units of 2^-32 cycle, which wrap around exactly: cutting a stream into chunks does not change the waves.
    """
    pitches = _pitches(signs.shape[-1])
    number = number_of(signs)
    cycles = jnp.asarray(np.round(pitches * hop % 1 * 2**32).astype(np.uint64).astype(np.uint32))[number]
    begin = history.sum_before(cycles).astype(jnp.float32) * 2.0**-32
    pitch = jnp.asarray(pitches.astype(np.float32))[number]
    angle = 2 * np.pi * (begin[..., None] + pitch[..., None] * np.arange(samples, dtype=np.float32))
    return jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=2)


def _pitches(bits: int) -> np.ndarray:
    """Return the pitch in cycles a sample of each number of this many bits."""
    return LOWEST * 2 ** (_step(bits) * np.arange(2**bits))


def _step(bits: int) -> float:
    """Return the octaves of one step."""
    return OCTAVES / 2**bits
