"""Tests of the transform of patches: meaning of bits, choice of class, gradients."""

from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reelm.tokenizer.video.transform import Transform, layout

LEVELS, BITS, SIZE = ((3, 1), (2, 1, 1)), 7, 12  # three bits of class: eight classes, four of each row


@pytest.fixture(scope="module")
def params() -> dict:
    """Orthonormal axes around means that lie far from each other."""
    rng = np.random.default_rng(0)
    axes = [np.linalg.qr(rng.normal(size=(SIZE, 3)))[0] for _ in range(8)]
    return {
        "basis": np.concatenate(axes, 1, dtype=np.float32),
        "mean": (9 * rng.normal(size=(8, SIZE))).astype(np.float32).T,
        "scale": rng.uniform(0.5, 1, 24).astype(np.float32),
        "spread": rng.uniform(0.5, 2, 24).astype(np.float32),
    }


def run(params: dict, x: jax.Array | np.ndarray, method: str) -> jax.Array:
    return cast(jax.Array, Transform(LEVELS, BITS, SIZE).apply({"params": params}, jnp.asarray(x), method=method))


def codes() -> np.ndarray:
    """All codes of BITS bits, bit j of weight 2^j."""
    return (2.0 * (np.arange(1 << BITS)[:, None] >> np.arange(BITS) & 1) - 1).astype(np.float32)


def test_every_code_comes_back_from_its_own_patch(params):
    np.testing.assert_array_equal(run(params, run(params, codes(), "decode"), "encode"), codes())


def test_each_bit_of_a_coefficient_halves_its_interval(params):
    """In class 0 the first axis has three bits: eight values, in the order of the binary number."""
    patches = np.asarray(run(params, codes()[:64:8], "decode"))  # bits 3, 4 and 5 count up, class 0
    along = np.arcsinh((patches - params["mean"][:, 0]) @ params["basis"][:, 0] / params["scale"][0])
    order = np.array([0, 4, 2, 6, 1, 5, 3, 7])  # bit 3 is the most significant
    np.testing.assert_allclose(along / params["spread"][0], (2 * order + 1) / 8 - 1, atol=1e-5)


def test_the_class_is_that_of_the_least_error(params):
    rng = np.random.default_rng(1)
    patches = (9 * rng.normal(size=(64, SIZE))).astype(np.float32)
    errors = np.stack(
        [
            np.square(np.asarray(run(params, codes()[number::8], "decode"))[None] - patches[:, None]).sum(-1).min(1)
            for number in range(8)
        ]
    )
    chosen = np.asarray(run(params, patches, "best"))
    # Coefficients are rounded where they are companded, so the level may not be the nearest one.
    assert np.mean(errors[chosen, np.arange(64)] <= 1.05 * errors.min(0)) > 0.9


def test_a_coefficient_has_the_gradient_of_its_patch(params):
    """Within its class a patch is rebuilt by a projection, so that is the Jacobian, but for the rounding."""
    patch = np.asarray(params["mean"][:, 5] + 0.1 * params["basis"][:, 15:18].sum(1))
    jacobian = jax.jacobian(lambda x: run(params, run(params, x, "encode"), "decode"))(jnp.asarray(patch))
    axes = params["basis"][:, 15:18].T
    inside = axes @ np.asarray(jacobian) @ axes.T
    assert np.abs(inside - np.diag(np.diag(inside))).max() < 1e-4
    assert (np.diag(inside) > 0.3).all() and (np.diag(inside) < 3).all()
    outside = np.asarray(jacobian) - axes.T @ inside @ axes
    assert np.abs(outside).max() < 1e-4


def test_the_transform_itself_is_not_trained(params):
    patch = jnp.asarray(params["mean"][:, :2].T + 0.1)
    gradient = jax.grad(lambda params: jnp.sum(jnp.square(run(params, run(params, patch, "encode"), "decode"))))(params)
    assert all((np.asarray(leaf) == 0).all() for leaf in jax.tree.leaves(gradient))


def test_each_row_places_its_bits_most_significant_first():
    plan = layout(LEVELS, BITS)
    assert plan.class_bits == 3
    np.testing.assert_array_equal(plan.axis, [[0, 0, 0, 1], [0, 0, 1, 2]])
    np.testing.assert_array_equal(plan.shift, [[2, 1, 0, 0], [1, 0, 0, 0]])
    np.testing.assert_array_equal(plan.steps, [[8, 2, 1], [4, 2, 2]])
    np.testing.assert_array_equal(plan.weight.sum(-1), [[0.5, 0.25, 0.125, 0.5], [0.5, 0.25, 0.5, 0.5]])
