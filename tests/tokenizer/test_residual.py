"""Residual lookup-free quantization: a uniform quantizer whose coarse bits come first."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reelm.tokenizer.audio.residual import ResidualQuantizer


@pytest.mark.parametrize("levels", [1, 3, 4])
def test_values_are_rounded_to_the_nearest_of_a_uniform_grid(levels):
    latent = np.random.default_rng(0).uniform(-2, 2, (200, 5)).astype(np.float32)
    step = 2.0 ** (1 - levels)
    grid = np.arange(-2 + step, 2, 2 * step)
    nearest = grid[np.abs(latent[..., None] - grid).argmin(-1)]
    np.testing.assert_array_equal(
        ResidualQuantizer(bits=5, groups=1, levels=levels).quantize(jnp.asarray(latent)), nearest
    )


def test_values_outside_the_range_saturate():
    np.testing.assert_array_equal(
        ResidualQuantizer(bits=2, groups=1, levels=3).quantize(jnp.array([-9.0, 9.0])), [-1.75, 1.75]
    )


def test_first_levels_are_those_of_a_coarser_quantizer():
    latent = jax.random.normal(jax.random.key(0), (6, 4))
    fine, coarse = (ResidualQuantizer(bits=4, groups=1, levels=levels) for levels in (4, 2))
    np.testing.assert_array_equal(fine.remainders(latent)[..., :2, :], coarse.remainders(latent))


@pytest.mark.parametrize("groups", [1, 2])
def test_bits_determine_the_quantized_latent(groups):
    latent = jax.random.uniform(jax.random.key(0), (6, 4 * groups), minval=-2, maxval=2)
    quantizer = ResidualQuantizer(bits=4, groups=groups, levels=6)
    signs = jnp.sign(quantizer.remainders(latent))
    assert signs.shape == (6, 6, 4)
    np.testing.assert_allclose(quantizer.values(signs), quantizer.quantize(latent), atol=1e-6)
    assert jnp.abs(quantizer.values(signs) - latent).max() <= 2.0 ** (1 - 6 // groups)


def test_the_first_levels_are_the_signs_of_all_groups():
    latent = jax.random.normal(jax.random.key(0), (6, 8))
    np.testing.assert_array_equal(
        ResidualQuantizer(bits=4, groups=2, levels=4).remainders(latent)[:, :2].reshape(6, 8), latent
    )


def test_gradient_passes_straight_through():
    weights = jnp.array([1.0, -2.0, 3.0])
    quantizer = ResidualQuantizer(bits=3, groups=1, levels=3)
    gradient = jax.grad(lambda z: jnp.sum(weights * quantizer.quantize(z)))(jnp.array([-5.0, 0.1, 7.0]))
    np.testing.assert_array_equal(gradient, weights)


def test_signs_stay_whole_and_leave_their_place_in_later_rounds():
    quantizer = ResidualQuantizer(bits=4, groups=2, levels=4, whole=3)
    own = jax.random.uniform(jax.random.key(0), (6, quantizer.size - 3), minval=-2, maxval=2)
    latent = jnp.concatenate([jnp.where(own[:, :3] > 0, 1.0, -1.0), own], axis=-1)
    assert quantizer.size == 2 * 4 + 3
    remainders, quantized = quantizer.remainders(latent), quantizer.quantize(latent)
    np.testing.assert_array_equal(remainders[:, 0, :3], latent[:, :3])
    np.testing.assert_array_equal(remainders[:, 2, :3], latent[:, 8:])
    np.testing.assert_array_equal(quantized[:, :3], latent[:, :3])
    np.testing.assert_array_equal(quantized[:, 8:], jnp.sign(latent[:, 8:]))
    np.testing.assert_array_equal(quantizer.values(jnp.sign(remainders)), quantized)


def test_levels_that_are_not_kept_are_as_if_unknown():
    quantizer = ResidualQuantizer(bits=4, groups=2, levels=4, whole=2)
    latent = jax.random.uniform(jax.random.key(0), (6, quantizer.size), minval=-2, maxval=2)
    latent = latent.at[:, :2].set(1.0)
    signs = jnp.sign(quantizer.remainders(latent))
    for kept in (1, 2, 3, 4):
        np.testing.assert_array_equal(quantizer.quantize(latent, jnp.full(6, kept)), quantizer.values(signs[:, :kept]))
    gradient = jax.grad(lambda z: jnp.sum(quantizer.quantize(z, jnp.full(6, 1))))(latent)
    assert gradient[:, :4].all() and not gradient[:, 4:].any()
