"""The gradient of a batch in parts is that of the whole, and the learning rate follows its schedule."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from reelm.errors import RequestError
from reelm.train.step import state
from reelm.train.step.optimizer import OptimizerConfig, Schedule
from reelm.train.step.update import make_step, value_and_gradient


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


def rates(steps: int, nan_at: int | None = None, **options) -> list[dict[str, float]]:
    """The learning rates that each step of a run reports; one step may have no finite loss."""
    optimizer = OptimizerConfig(learning_rate=1.0, **options).build(steps)
    step = make_step(lambda params, batch, key, step: (jnp.sum(params["w"]) * batch, {}), optimizer, 0.9)
    current, found = state.create({"w": jnp.ones(3)}, optimizer, 0), []
    for number in range(steps):
        current, metrics = step(current, jnp.float32(np.nan if number == nan_at else 1.0))
        found.append({name: float(value) for name, value in metrics.items() if name.endswith("learning_rate")})
    return found


@pytest.mark.parametrize(
    "schedule, wanted",
    [
        ("cosine", [0, 0.5, *(0.1 + 0.9 * (1 + np.cos(np.pi * np.arange(8) / 8)) / 2)]),
        ("constant", [0, 0.5, *[1.0] * 8]),
        ("warmup-stable-decay", [0, 0.5, *[1.0] * 4, 1.0, 0.775, 0.55, 0.325]),
    ],
)
def test_each_step_reports_the_learning_rate_of_its_schedule(schedule: Schedule, wanted: list[float]):
    found = rates(10, schedule=schedule, warmup=2, decay=0.4, final=0.1)
    np.testing.assert_allclose([each["learning_rate"] for each in found], wanted, atol=1e-6)


def test_the_rate_of_a_step_that_was_skipped_is_that_of_the_next_one():
    found = [each["learning_rate"] for each in rates(5, nan_at=1, schedule="constant", warmup=2)]
    assert found == [0, 0.5, 0.5, 1, 1]


def test_muon_has_a_separate_learning_rate():
    found = rates(2, muon=0.5, warmup=0, schedule="constant")
    assert found == [{"learning_rate": 1.0, "muon_learning_rate": 0.5}] * 2


def test_the_average_of_the_parameters_follows_them_sooner_at_first():
    optimizer = OptimizerConfig(learning_rate=0.1, schedule="constant", warmup=0).build(5)
    step = make_step(lambda params, batch, key, step: (jnp.sum(jnp.square(params["w"])), {}), optimizer, 0.3)
    current, wanted = state.create({"w": jnp.ones(3)}, optimizer, 0), np.ones(3)
    for number in range(5):
        current, _ = step(current, jnp.float32(0))
        decay = min(0.3, (1 + number) / (10 + number))
        wanted = decay * wanted + (1 - decay) * np.asarray(current.params["w"])
        np.testing.assert_allclose(current.ema["w"], wanted, rtol=1e-6)
    assert (current.ema["w"] > current.params["w"]).all()


def test_a_gradient_longer_than_the_clip_is_shortened_to_it():
    optimizer = OptimizerConfig(clip=2.0, betas=(0.9, 0.99)).build(5)
    params = {"w": jnp.zeros(2)}
    for gradient, wanted in (([3.0, 4.0], [1.2, 1.6]), ([0.3, 0.4], [0.3, 0.4])):
        _, after = optimizer.update({"w": jnp.array(gradient)}, optimizer.init(params), params)
        np.testing.assert_allclose(optax.tree.get(after, "mu")["w"], 0.1 * np.array(wanted), rtol=1e-6)


def test_a_decay_that_does_not_fit_is_refused_with_the_numbers():
    with pytest.raises(RequestError, match="warmup of 5 steps and a decay over 0.8 of the run do not fit into 10"):
        OptimizerConfig(schedule="warmup-stable-decay", decay=0.8).build(10)
