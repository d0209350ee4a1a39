"""Blocks of samples and their cosine spectra: one block for each audio frame, scaled to one loudness.

For the encoder, a block is the frame and the one before it. It also gets the magnitudes of a window four frames long,
which tells pitches apart. From the decoder, a block is the frame and a quarter of the next one, over which the blocks
cross-fade: the decoder returns a frame as soon as it has its code. All blocks are in units of the frame's loudness.
Compare the lapped transform of MDCTCodec (arXiv 2411.00464), whose frames are complete one frame later. This module
knows nothing of codes.
"""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from reelm.tokenizer.history import History

_LONG = 4  # frames of the long window
_QUIET = 1e-4  # amplitude below which nothing can be heard
_STEEPEST, _LOUDEST = -9.0, 3.0  # natural logarithms of a coefficient's size
_TILT = 2.5  # an untrained net makes the highest coefficients this much quieter than the lowest, as in most sounds


def analyse(sound: jax.Array, hop: int, amplitude: jax.Array, history: History) -> jax.Array:
    """Return the features `[B, F, N]` of sound `float [B, F hop, C]` whose frames have the amplitude `[B, F]`.

    Per channel: log magnitudes of the long window, and the cosine spectrum of the block, compressed by a square root;
    then the log amplitude.
    """
    batch, samples, channels = sound.shape
    count = samples // hop
    frames = history.join(sound.reshape(batch, count, hop, channels), pad=_LONG - 1, keep=_LONG - 1)
    long = jnp.concatenate([frames[:, i : i + count] for i in range(_LONG)], axis=2)
    spectrum = jnp.fft.rfft(long * _long_window(hop)[:, None], axis=2, norm="ortho")
    magnitude = jnp.sqrt(jnp.square(spectrum.real) + jnp.square(spectrum.imag) + 1e-10)
    block = long[:, :, -2 * hop :] / (amplitude[..., None, None] + _QUIET)
    near = jnp.einsum("bfsc,ks->bfkc", block, _cosines(2 * hop))
    parts = [jnp.log10(magnitude + _QUIET) + 1.5, jnp.sign(near) * jnp.sqrt(jnp.abs(near) + 1e-3)]
    flat = [part.reshape(batch, count, -1) for part in parts]
    return jnp.concatenate([*flat, jnp.log10(amplitude + _QUIET)[..., None] + 2], axis=-1)


def projection(sound: jax.Array, waves: jax.Array, amplitude: jax.Array) -> jax.Array:
    """Project each frame on waves `[B, F, W, hop]`, in units of the frame's amplitude: `[B, F, W C]`."""
    batch, count, _, hop = waves.shape
    frames = sound.reshape(batch, count, hop, -1) / (amplitude[..., None, None] + _QUIET)
    return jnp.einsum("bfsc,bfws->bfwc", frames, waves).reshape(batch, count, -1) * (2 / hop)


def coefficients(hop: int) -> int:
    """Return the number of cosine coefficients that the decoder gives for a channel's block."""
    return hop + _fade(hop)


def magnitude(size: jax.Array) -> jax.Array:
    """Return the exponential of a size, a natural logarithm, within bounds."""
    return jnp.exp(jnp.clip(size, _STEEPEST, _LOUDEST))


def synthesize(
    direction: jax.Array,
    size: jax.Array,
    hop: int,
    amplitude: jax.Array,
    history: History,
    wave: jax.Array | float = 0.0,
) -> jax.Array:
    """Return samples `[B, F hop, C]` of blocks whose coefficients are proportional to `direction * exp(size)`.

    Args:
        direction, size: `float [B, F, coefficients C]`. Sizes are logarithms: the loudest part of a sound is often a
            thousand times as large as the quietest, and a net learns that range more easily as a sum.
        amplitude: `[B, F]`, the root mean square to which each block is scaled. Without it, a net that is not sure of
            a waveform makes it softer.
        wave: `[B, F, coefficients, C]`, added to the samples of each block before they are scaled.
    """
    batch, count, _ = direction.shape
    fade, number = _fade(hop), coefficients(hop)
    size = size.reshape(batch, count, number, -1) - np.linspace(0, _TILT, number, dtype=np.float32)[:, None]
    spectrum = direction.reshape(size.shape) * magnitude(size)
    # The wave is added to blocks of one loudness, or the net would have to learn how loud it must be for each.
    spectrum *= jax.lax.rsqrt(jnp.mean(jnp.square(spectrum), axis=(2, 3), keepdims=True) + 1e-8)
    block = jnp.einsum("bfkc,ks->bfsc", spectrum, _cosines(number)) + wave
    block *= _block_window(hop)[:, None]
    # Scale after the window, or a net that is not sure of a pitch hides it at the ends, where it cannot be heard.
    heard = jnp.sum(jnp.square(block), axis=(2, 3), keepdims=True) / (hop * block.shape[3])
    block *= amplitude[..., None, None] * jax.lax.rsqrt(heard + 1e-8)
    tails = history.join(block[:, :, hop:], pad=1, keep=1)[:, :count]
    # The newest block begins while the one before it ends.
    begun = block[:, :, :fade] + tails
    return jnp.concatenate([begun, block[:, :, fade:hop]], axis=2).reshape(batch, count * hop, -1)


def _fade(hop: int) -> int:
    """Return the number of samples over which one block fades into the next."""
    return hop // 4


@cache
def _cosines(number: int) -> np.ndarray:
    """Return the orthonormal cosine transform DCT-IV, float32 `[number, number]`: frequency, sample."""
    places = np.arange(number) + 0.5
    return (np.sqrt(2 / number) * np.cos(np.pi / number * np.outer(places, places))).astype(np.float32)


def _long_window(hop: int) -> np.ndarray:
    """Return the long window: it rises slowly, and the newest samples weigh more than half of its maximum."""
    places = (np.arange(_LONG * hop) + 0.5) / (_LONG * hop)
    return np.sin(0.8 * np.pi * places).astype(np.float32)


def _block_window(hop: int) -> np.ndarray:
    """Return the window of a block from the decoder; neighbouring windows add up to 1."""
    fade = _fade(hop)
    rise = np.sin(np.pi / 2 * (np.arange(fade) + 0.5) / fade) ** 2 if fade else np.zeros(0)
    return np.concatenate([rise, np.ones(hop - fade), 1 - rise]).astype(np.float32)
