"""Tests of blocks of samples: one loudness for the nets, exact silence, exact joins between blocks."""

import jax.numpy as jnp
import numpy as np
import pytest

from reelm.tokenizer.audio import cosine, loudness
from reelm.tokenizer.audio.cosine import _block_window, _cosines  # the transform that both directions share
from reelm.tokenizer.history import History

HOP = 32


@pytest.mark.parametrize("bits", [5, 7])
def test_amplitude_is_right_within_half_a_step(bits):
    levels = 10 ** (np.arange(-83, 0, 1.7) / 20)
    sound = np.random.default_rng(0).choice([-1.0, 1.0], (1, len(levels), HOP)) * levels[:, None]
    signs = loudness.signs(jnp.asarray(sound.reshape(1, -1, 1), jnp.float32), HOP, bits)
    assert signs.shape == (1, len(levels), bits) and set(np.unique(signs)) == {-1, 1}
    heard = np.asarray(loudness.amplitude(signs))[0]
    step = loudness.RANGE_DB / 2**bits
    loud = levels > 10 ** ((loudness.LOWEST_DB + step) / 20)
    assert np.abs(20 * np.log10(heard[loud] / levels[loud])).max() <= step / 2 + 1e-3


def test_very_soft_sound_is_encoded_as_silence():
    quiet = jnp.full((1, HOP, 1), 10 ** (loudness.LOWEST_DB / 20) * 0.9)
    assert loudness.amplitude(loudness.signs(quiet, HOP, 7)) == 0
    assert loudness.amplitude(loudness.signs(0 * quiet, HOP, 7)) == 0


def test_neighbouring_blocks_join_exactly():
    """Coefficients of each block's own samples give the samples back, as blocks fade into each other."""
    sound = np.random.default_rng(0).normal(size=6 * HOP + HOP)
    number = cosine.coefficients(HOP)
    own = np.stack([sound[i * HOP : i * HOP + number] for i in range(6)])
    spectrum = own @ _cosines(number).T
    size = np.broadcast_to(np.linspace(0, 2.5, number), spectrum.shape)  # undoes the tilt
    heard = own * _block_window(HOP)
    amplitude = jnp.asarray(np.sqrt(np.sum(np.square(heard), axis=1) / HOP), jnp.float32)
    made = cosine.synthesize(
        jnp.asarray(spectrum[None], jnp.float32), jnp.asarray(size[None]), HOP, amplitude[None], History()
    )
    fade = number - HOP
    np.testing.assert_allclose(made[0, fade:, 0], sound[fade : 6 * HOP], atol=1e-4)


def test_a_synthesized_block_has_the_given_amplitude():
    rng, number = np.random.default_rng(0), cosine.coefficients(HOP)
    # Nearly all of it in the ends of the block, where the window is low.
    ends = rng.normal(size=(1, 3, number)) * np.where(np.arange(number) % (number - 1), 1e-3, 1)
    flat = np.broadcast_to(np.linspace(0, 2.5, number), ends.shape)  # undoes the tilt
    spectrum, amplitude = ends @ _cosines(number).T, np.array([[0.5, 0.0, 0.25]])
    direction, size = jnp.asarray(spectrum, jnp.float32), jnp.asarray(flat, jnp.float32)
    made = cosine.synthesize(direction, size, HOP, jnp.asarray(amplitude, jnp.float32), History())
    first = np.sqrt(np.sum(np.square(made[0, :number, 0])) / HOP)  # the second one is silent
    assert first == pytest.approx(0.5, rel=1e-3)


def test_the_cosine_transform_keeps_energy():
    np.testing.assert_allclose(_cosines(40) @ _cosines(40).T, np.eye(40), atol=1e-6)


def test_features_do_not_depend_on_loudness():
    sound = np.random.default_rng(0).normal(size=(1, 8 * HOP, 1)).astype(np.float32) * 0.2
    loud, quiet = (
        np.asarray(cosine.analyse(jnp.asarray(x), HOP, loudness.amplitude(loudness.signs(x, HOP, 7)), History()))
        for x in (jnp.asarray(sound), jnp.asarray(sound / 64))
    )
    near = slice(2 * HOP + 1, 4 * HOP + 1)
    assert np.abs(loud[..., near] - quiet[..., near]).mean() < 0.1 * np.abs(loud[..., near]).mean()
    assert (loud[..., -1] > quiet[..., -1] + 1).all()
