"""Synthesise the sound of a scene: impacts ring by material and size, rolling toys rumble, sliding toys scrape.

In: a `Scene` and a number of frames. Out: one channel at 16 kHz, with exact zeros where nothing sounds. A ring is a few
decaying modes (modal synthesis). Rumble is a band of fixed sines, so nothing is filtered and any section of time can be
computed by itself.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .scenes import FPS, Scene
from .stage import TOYS
from .toys import Material, Size

SAMPLE_RATE = 16_000
_CONTACTS = 96  # most impacts of a track
_RING = 9_600  # samples of a ring, after which it has decayed
_ENVELOPE = 200  # values a second of the speed of a rolling toy
_LOUDEST = 4.5  # speed of the impact that rings at full strength


class _Modes(NamedTuple):
    """Frequencies in Hz, strengths, and seconds after which each has fallen to 1/e, for a large toy."""

    frequency: tuple[float, ...]
    strength: tuple[float, ...]
    lasts: tuple[float, ...]


_MODES: dict[Material, _Modes] = {
    "rubber": _Modes((105, 176, 262, 390, 0), (1, 0.55, 0.25, 0.1, 0), (0.05, 0.04, 0.025, 0.015, 1)),
    "wood": _Modes((430, 905, 1480, 2210, 3020), (0.9, 0.6, 0.35, 0.2, 0.1), (0.045, 0.032, 0.022, 0.015, 0.01)),
    "metal": _Modes((880, 1630, 2590, 3710, 5120), (0.5, 0.45, 0.35, 0.28, 0.18), (0.16, 0.13, 0.1, 0.08, 0.06)),
}
_HIGHER: dict[Size, float] = {"small": 1.34, "large": 1.0}  # factor of the frequencies
# Frequency bands of rolling and of sliding, in Hz.
_RUMBLES, _SCRAPES = np.geomspace(50, 210, 24), np.geomspace(700, 2600, 32)


def sound(scene: Scene, frames: int) -> np.ndarray:
    """Return the sound of the first `frames` frames, float32 [S, 1] in [-1, 1], S = 2,000 a frame."""
    samples = frames * SAMPLE_RATE // FPS
    if not scene.sounds:
        return np.zeros((samples, 1), np.float32)
    contacts = [contact for contact in scene.contacts if contact.time < frames / FPS][:_CONTACTS]
    room = np.zeros((_CONTACTS - len(contacts), 3, 5))
    modes = [_ring(contact.material, contact.size) for contact in contacts]
    times = np.array([contact.time for contact in contacts] + [0.0] * len(room))
    speeds = np.array([contact.speed for contact in contacts] + [0.0] * len(room))
    moments = np.arange(frames * _ENVELOPE // FPS + 1) / _ENVELOPE
    along = np.stack([player.act.scrape(moments) for player in scene.players])
    along = np.concatenate([along, np.zeros((TOYS - len(along), len(moments)))])
    track = _synthesize(
        np.asarray(np.round(times * SAMPLE_RATE), np.int32),
        np.asarray(np.minimum(speeds / _LOUDEST, 1.2) ** 0.8, np.float32),
        np.asarray(np.concatenate([np.array(modes).reshape(-1, 3, 5), room]), np.float32),
        np.asarray(along, np.float32),
        np.int32(scene.seed),
        len(contacts),
        samples=samples,
    )
    return np.asarray(track)[:, None]


def _ring(material: Material, size: Size) -> np.ndarray:
    """Return the modes of a toy, [3, mode]: rows of `_Modes`."""
    modes = np.array(_MODES[material])
    modes[0] *= _HIGHER[size]
    return modes


@partial(jax.jit, static_argnames="samples")
def _synthesize(
    starts: Array, strengths: Array, modes: Array, along: Array, seed: Array, contacts: Array, samples: int
) -> Array:
    """Return the track [S].

    Args:
        starts: int32 [contact], in samples; strengths: [contact]; modes: [contact, 3, mode], rows of `_Modes`.
        contacts: number of impacts that are used, from the first on.
        along: [toy, moment], speeds of rolling, negative for sliding.
    """
    ring = jnp.arange(_RING) / SAMPLE_RATE

    def strike(index: Array, track: Array) -> Array:
        frequency, strength, lasts = modes[index][..., None]
        waves = strength * jnp.exp(-ring / jnp.maximum(lasts, 1e-3)) * jnp.sin(2 * np.pi * frequency * ring)
        rung = 0.42 * strengths[index] * waves.sum(0) * jnp.clip((_RING - jnp.arange(_RING)) / 800, 0, 1)
        there = jax.lax.dynamic_slice_in_dim(track, starts[index], _RING)
        return jax.lax.dynamic_update_slice_in_dim(track, there + rung, starts[index], 0)

    track = jax.lax.fori_loop(0, contacts, strike, jnp.zeros(samples + _RING))[:samples]
    time = jnp.arange(samples) / SAMPLE_RATE
    at = jnp.linspace(0, along.shape[1] - 1, samples)
    rolls = jax.vmap(lambda speeds: jnp.interp(at, jnp.arange(along.shape[1]), speeds))(along)
    phases = 2 * np.pi * jax.random.uniform(jax.random.key(seed, impl="threefry2x32"), (len(_RUMBLES) + len(_SCRAPES),))

    def band(frequencies: np.ndarray, phases: Array) -> Array:
        def add(total: Array, wave: tuple[Array, Array]) -> tuple[Array, None]:
            return total + jnp.sin(2 * np.pi * wave[0] * time + wave[1]), None

        waves = (jnp.asarray(frequencies, jnp.float32), phases)
        return jax.lax.scan(add, jnp.zeros(samples), waves)[0] / len(frequencies) ** 0.5

    def rubbing(_: None) -> Array:
        rumble = jnp.maximum(rolls, 0).sum(0) * band(_RUMBLES, phases[: len(_RUMBLES)])
        scrape = jnp.maximum(-rolls, 0).sum(0) * band(_SCRAPES, phases[len(_RUMBLES) :])
        return 0.09 * rumble + 0.035 * scrape

    track += jax.lax.cond((along != 0).any(), rubbing, lambda _: jnp.zeros(samples), None)
    # Loud passages are compressed instead of clipped, quiet ones do not change.
    return jnp.where(jnp.abs(track) < 1e-4, 0.0, jnp.tanh(track))
