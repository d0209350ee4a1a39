"""Lookup-free quantization: signs, straight-through gradients, entropies against brute force."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np

from reelm.tokenizer import quantizer
from reelm.tokenizer.codes import CodeSpec


def test_values_are_signs_and_zero_counts_as_plus():
    np.testing.assert_array_equal(quantizer.quantize(jnp.array([-0.1, 0.0, 2.0])), [-1, 1, 1])


def test_gradient_passes_straight_through():
    weights = jnp.array([1.0, -2.0, 3.0])
    gradient = jax.grad(lambda z: jnp.sum(weights * quantizer.quantize(z)))(jnp.array([-5.0, 0.1, 7.0]))
    np.testing.assert_array_equal(gradient, weights)


def _soft_assignment(latent: np.ndarray, temperature: float) -> np.ndarray:
    """[N, 2^K] probabilities by distances to every code, with no use of the independence of bits."""
    table = np.array(list(product((-1, 1), repeat=latent.shape[1])))
    energy = -((latent[:, None] - table[None]) ** 2).sum(-1) / temperature
    p = np.exp(energy - energy.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


def test_entropies_equal_those_over_all_codes():
    latent = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    for temperature in (0.5, 1.0):
        p = _soft_assignment(latent, temperature)
        expected = -(p * np.log(p)).sum(1).mean()
        np.testing.assert_allclose(quantizer.sample_entropy(jnp.asarray(latent), temperature), expected, rtol=1e-5)
        mean = p.mean(0)
        batch = quantizer.batch_entropy(jnp.asarray(latent), CodeSpec(bits=4), temperature)
        np.testing.assert_allclose(batch, -(mean * np.log(mean)).sum(), rtol=1e-5)


def test_batch_entropy_adds_up_over_sub_tokens():
    latent = jnp.asarray(np.random.default_rng(1).normal(size=(5, 12)), jnp.float32)
    halves = [quantizer.batch_entropy(latent[:, i : i + 6], CodeSpec(bits=6)) for i in (0, 6)]
    np.testing.assert_allclose(quantizer.batch_entropy(latent, CodeSpec(bits=12)), sum(halves), rtol=1e-5)
