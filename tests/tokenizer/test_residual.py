"""Residual lookup-free quantization: a uniform quantizer whose coarse bits come first."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reelm.tokenizer.audio.residual import quantize_residually, remainders, values


@pytest.mark.parametrize("levels", [1, 3, 4])
def test_it_takes_the_nearest_of_evenly_spaced_values(levels):
    latent = np.random.default_rng(0).uniform(-2, 2, (200, 5)).astype(np.float32)
    step = 2.0 ** (1 - levels)
    grid = np.arange(-2 + step, 2, 2 * step)
    nearest = grid[np.abs(latent[..., None] - grid).argmin(-1)]
    np.testing.assert_array_equal(quantize_residually(jnp.asarray(latent), 5, levels), nearest)


def test_what_lies_outside_saturates():
    np.testing.assert_array_equal(quantize_residually(jnp.array([-9.0, 9.0]), 2, 3), [-1.75, 1.75])


def test_first_levels_are_those_of_a_coarser_quantizer():
    latent = jax.random.normal(jax.random.key(0), (6, 4))
    np.testing.assert_array_equal(remainders(latent, 4, 4)[..., :2, :], remainders(latent, 4, 2))


@pytest.mark.parametrize("groups", [1, 2])
def test_bits_say_the_quantized_latent(groups):
    latent = jax.random.uniform(jax.random.key(0), (6, 4 * groups), minval=-2, maxval=2)
    bits = remainders(latent, 4, 6) >= 0
    assert bits.shape == (6, 6, 4)
    np.testing.assert_allclose(values(bits, groups), quantize_residually(latent, 4, 6), atol=1e-6)
    assert jnp.abs(values(bits, groups) - latent).max() <= 2.0 ** (1 - 6 // groups)


def test_the_first_levels_are_the_signs_of_all_groups():
    latent = jax.random.normal(jax.random.key(0), (6, 8))
    np.testing.assert_array_equal(remainders(latent, 4, 4)[:, :2].reshape(6, 8), latent)


def test_gradient_passes_straight_through():
    weights = jnp.array([1.0, -2.0, 3.0])
    gradient = jax.grad(lambda z: jnp.sum(weights * quantize_residually(z, 3, 3)))(jnp.array([-5.0, 0.1, 7.0]))
    np.testing.assert_array_equal(gradient, weights)
