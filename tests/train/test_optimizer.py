"""The gradient of a batch in parts is that of the whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reelm.train.step.update import value_and_gradient


@pytest.mark.parametrize("accumulate", [2, 4])
def test_a_batch_in_parts_has_the_loss_and_gradient_of_the_whole(accumulate):
    rng = np.random.default_rng(0)
    batch = {"x": rng.normal(size=(8, 3)), "y": rng.normal(size=8), "none": np.zeros((8, 0, 2))}
    params = {"w": jnp.asarray(rng.normal(size=3))}
    seen = []

    def loss(params, batch, key, step):
        seen.append(len(batch["x"]))
        error = jnp.mean(jnp.square(batch["x"] @ params["w"] - batch["y"]))
        return error, {"error": error, "noise": jax.random.normal(key)}

    key = jax.random.key(0)
    (whole, metrics), gradient = value_and_gradient(loss, params, batch, key, jnp.int32(0))
    assert set(seen) == {8}
    seen.clear()
    (parts, of_parts), other = value_and_gradient(loss, params, batch, key, jnp.int32(0), accumulate)
    assert set(seen) == {8 // accumulate}
    np.testing.assert_allclose(parts, whole, rtol=1e-5)
    np.testing.assert_allclose(of_parts["error"], metrics["error"], rtol=1e-5)
    np.testing.assert_allclose(other["w"], gradient["w"], rtol=1e-5)
    assert of_parts["noise"] != metrics["noise"]  # every part has a key of its own
