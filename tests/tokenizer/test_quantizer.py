"""Lookup-free quantization: signs, straight-through gradients, entropies against brute force and the usual package."""

from itertools import product
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made import references

from reelm.tokenizer import codes, quantizer
from reelm.tokenizer.code_spec import CodeSpec


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


@pytest.mark.parametrize("bits", [1, 2, 9, 10])
def test_batch_entropy_of_every_group_width_is_exact(bits):
    latent = np.random.default_rng(2).normal(size=(5, bits)).astype(np.float32)
    mean = _soft_assignment(latent, 1.0).mean(0)
    expected = -(mean * np.log(mean)).sum()
    batch = quantizer.batch_entropy(jnp.asarray(latent), CodeSpec(bits=bits, sub_token_bits=10))
    np.testing.assert_allclose(batch, expected, rtol=1e-4)


def test_on_the_sphere_signs_stay_and_norms_are_those_of_codes():
    latent = jnp.asarray(np.random.default_rng(3).normal(size=(6, 18)) * 5, jnp.float32)
    projected = quantizer.to_sphere(latent)
    np.testing.assert_allclose(jnp.linalg.norm(projected, axis=-1), np.sqrt(18), rtol=1e-5)
    np.testing.assert_array_equal(projected >= 0, latent >= 0)
    np.testing.assert_allclose(quantizer.to_sphere(quantizer.quantize(latent)), quantizer.quantize(latent), rtol=1e-6)


def test_entropies_on_the_sphere_equal_those_of_the_paper():
    # Arrange as in arXiv 2406.07548, equation 9: unit sphere, corners 1 / sqrt(K), softmax of cosines over tau.
    bits, tau = 4, 0.3
    latent = np.random.default_rng(4).normal(size=(7, bits))
    unit = latent / np.linalg.norm(latent, axis=1, keepdims=True)
    corners = np.array(list(product((-1, 1), repeat=bits))) / np.sqrt(bits)
    logits = 2 * unit @ corners.T / tau  # squared distances between unit vectors are 2 - 2 cos
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    ours = quantizer.sample_entropy(quantizer.to_sphere(jnp.asarray(latent, jnp.float32)), tau * bits)
    np.testing.assert_allclose(ours, -(p * np.log(p)).sum(1).mean(), rtol=1e-5)


@pytest.mark.parametrize("source", get_args(references.Source))
def test_entropies_and_codes_equal_those_of_vector_quantize_pytorch(source):
    expected, latent = references.of("lfq", source), jnp.asarray(references.LATENT)
    np.testing.assert_array_equal(quantizer.quantize(latent), expected["quantized"])
    # That package gives the first bit the highest weight, we the lowest.
    np.testing.assert_array_equal(codes.bits_to_ids(latent[..., ::-1] >= 0), expected["ids"])
    # Its energies are -2 z c, which is what remains of squared distances in a softmax; its logarithms stop at 1e-5.
    spec = CodeSpec(bits=latent.shape[-1])
    np.testing.assert_allclose(quantizer.sample_entropy(latent), expected["per_sample_entropy"], rtol=1e-4)
    np.testing.assert_allclose(quantizer.batch_entropy(latent, spec), expected["batch_entropy"], rtol=1e-4)
    np.testing.assert_allclose(quantizer.commitment(latent), expected["commitment"], rtol=1e-4)
