"""Tests of the spectra before and after the audio nets: they keep all information and add no delay."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reelm.tokenizer.audio.spectra import STEPS, analyse, features, synthesize
from reelm.tokenizer.history import History

STEP = 10


def silent_past(channels: int) -> History:
    return History((jnp.zeros((1, STEPS - 1, STEP, channels)),))


def quiet_past(channels: int) -> History:
    return History((jnp.zeros((1, STEPS - 1, STEPS * STEP, channels)),))


@pytest.mark.parametrize("channels", [1, 2])
def test_a_window_s_features_hold_its_samples(channels):
    sound = np.random.default_rng(0).uniform(-1, 1, (1, 6 * STEP, channels)).astype(np.float32)
    seen = np.asarray(jax.jit(lambda sound: analyse(sound, STEP, silent_past(channels)))(sound))
    assert seen.shape == (1, 6, features(channels, STEP))
    logarithm, real, imaginary = np.split(seen[0, -1].reshape(-1, channels), 3)
    window = np.fft.irfft(10 ** (logarithm - 1) * (real + 1j * imaginary), axis=0, norm="ortho")
    samples = sound[0, -STEPS * STEP :]
    # The newest step is heard at full weight but for its last half; the oldest step fades in.
    np.testing.assert_allclose(window[-STEP : -STEP // 2], samples[-STEP : -STEP // 2], rtol=0.1, atol=1e-3)
    assert np.all(np.sign(window[1:-1]) == np.sign(samples[1:-1]))


def test_one_step_of_spectra_gives_one_window_of_sound_without_delay():
    numbers = features(1, STEP)
    x = np.zeros((1, 8, numbers), np.float32)
    x[..., : numbers // 3] = -20.0
    x[:, 2, : numbers // 3], x[:, 2, numbers // 3] = 0.0, 1.0  # the lowest frequency alone: a constant
    x[:, 2, 1 : numbers // 3] = -20.0
    sound = np.asarray(jax.jit(lambda x: synthesize(x, STEP, quiet_past(1)))(x))[0, :, 0]
    level = 1 / np.sqrt(STEPS * STEP)
    np.testing.assert_allclose(sound[: 2 * STEP], 0, atol=1e-6)
    np.testing.assert_allclose(sound[(2 + STEPS) * STEP :], 0, atol=1e-6)
    assert sound[2 * STEP + STEP // 2] > 0.95 * level  # all there after half a step
    assert sound[(2 + STEPS) * STEP - 1] < 0.01 * level


def test_silence_gives_and_takes_finite_gradients():
    def loudness(sound: jax.Array) -> jax.Array:
        return jnp.sum(synthesize(analyse(sound, STEP, silent_past(1)), STEP, quiet_past(1)))

    assert np.isfinite(jax.jit(jax.grad(loudness))(jnp.zeros((1, 4 * STEP, 1)))).all()
