"""Choosing values: limits of the dials, the distribution of draws, and their independence from the batch."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reelm.sampling.decoding.choose import SamplingParams, at_frames, draw, guide, noise_of
from reelm.sampling.decoding.choose import choose as choosing

choose = jax.jit(choosing)  # as decoding does; the dials are traced
LOGITS = jnp.array([[0.0, 3.0, 1.0, 2.0, -1.0], [5.0, 4.9, -3.0, 0.0, 0.0]])


def draws(sampling: SamplingParams, min_p: float = 0.0, count: int = 4000) -> np.ndarray:
    noise = jax.random.gumbel(jax.random.key(0), (count, LOGITS.shape[-1]))
    return np.asarray(choose(jnp.broadcast_to(LOGITS[:1], noise.shape), noise, sampling, min_p))


def checked(**sampling: Any) -> SamplingParams:
    return SamplingParams.of(1, **sampling)


@pytest.mark.parametrize(
    ("sampling", "min_p"),
    [(checked(temperature=0.0), 0), (checked(top_k=1), 0), (checked(top_p=1e-6), 0), (checked(), 1)],
)
def test_greedy_top_1_a_tiny_top_p_and_a_full_min_p_take_the_likeliest(sampling, min_p):
    assert (draws(sampling, min_p) == 1).all()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_softmax(temperature):
    seen = np.bincount(draws(checked(temperature=temperature)), minlength=5) / 4000
    np.testing.assert_allclose(seen, jax.nn.softmax(LOGITS[0] / temperature), atol=0.03)


def test_top_k_keeps_exactly_k():
    assert set(draws(checked(temperature=3.0, top_k=3))) == {1, 2, 3}


def test_top_p_keeps_the_fewest_that_hold_the_share():
    order = [1, 3, 2, 0, 4]
    held = [0.0, *np.cumsum(jax.nn.softmax(LOGITS[0])[jnp.array(order)])]
    for count in range(1, 5):
        for share in (held[count - 1] + 1e-3, held[count] - 1e-3):  # what needs the last of them, and nearly all
            assert set(draws(checked(top_p=share))) == set(order[:count])


def test_min_p_keeps_values_with_that_share_of_the_top_probability():
    share = jax.nn.softmax(LOGITS[0])[jnp.array([1, 3, 2, 0])] / jax.nn.softmax(LOGITS[0])[1]
    assert share[2] > 0.1 > share[3]
    assert set(draws(checked(), 0.1)) == {1, 3, 2}
    assert set(draws(checked(temperature=3.0), 0.1)) == {0, 1, 2, 3, 4}  # of what the temperature makes of them


def test_noise_belongs_to_its_clip_its_place_and_its_sub_token():
    keys, places = jax.random.split(jax.random.key(1), 3), jnp.tile(jnp.array([7, 8, 1_000_000]), (3, 1))
    noise_at = jax.jit(noise_of, static_argnums=2)
    noise = noise_at(keys, places, (4, 4, 3))
    assert [each.shape for each in noise] == [(3, 3, 16), (3, 3, 16), (3, 3, 8)]
    alone = noise_at(keys[1:2], places[1:2, 2:], (4, 4, 3))
    for of_all, of_one in zip(noise, alone, strict=True):
        np.testing.assert_array_equal(of_all[1:2, 2:], of_one)
    assert len(np.unique(np.concatenate([np.ravel(each) for each in noise]))) > 0.99 * 9 * 40


@pytest.mark.parametrize(("sampling", "min_p"), [(checked(), 0), (checked(temperature=0.7, top_k=3, top_p=0.9), 0.1)])
def test_a_draw_does_not_depend_on_its_batch(sampling, min_p):
    noise = np.asarray(jax.random.gumbel(jax.random.key(1), (100, 2, LOGITS.shape[-1])))
    both = choose(jnp.broadcast_to(LOGITS, noise.shape), noise, sampling, min_p)
    alone = [[choose(LOGITS[i : i + 1], each[i : i + 1], sampling, min_p)[0] for i in range(2)] for each in noise]
    np.testing.assert_array_equal(both, alone)
    assert len(np.unique(both)) > 1


def test_guidance_goes_from_the_unconditional_model_through_the_conditional_one_and_on():
    for scale in (0.0, 1.0, 2.0):
        expected = LOGITS[1:] + scale * (LOGITS[:1] - LOGITS[1:])
        np.testing.assert_allclose(guide(LOGITS, jnp.float32(scale), jnp.float32(0)), expected, atol=1e-5)


def test_guidance_keeps_what_the_conditional_model_finds_plausible():
    unexpected = jnp.array([[0.0, 3.0, 1.0], [-9.0, 3.0, 1.0]])  # by words exp(-3) as likely, without them never
    assert jnp.argmax(guide(unexpected, jnp.float32(2), jnp.float32(0))) == 0
    kept = guide(unexpected, jnp.float32(2), jnp.float32(0.1))
    np.testing.assert_array_equal(jnp.isfinite(kept)[0], [False, True, True])
    assert jnp.argmax(kept) == 1
    assert jnp.isfinite(guide(unexpected, jnp.float32(1), jnp.float32(0.1))).all()  # no guidance leaves nothing out


def test_a_draw_is_a_choice_among_guided_values():
    guiding, drawing = jax.jit(guide), jax.jit(draw)
    rows, at = jnp.tile(LOGITS[:, None], (1, 300, 1)), jnp.ones((1, 300, 1))
    noise = jax.random.gumbel(jax.random.key(1), (1, *rows.shape[1:]))
    for logits, min_p, sampling in (
        (rows, 0.3, checked(top_k=4)),
        (rows, 0.0, checked(temperature=1.5, top_p=0.9, cfg_min_p=0.1)),
        (rows[:1], 0.02, checked()),
    ):
        guided = guiding(logits, 2 * at, sampling.cfg_min_p[:, None, None]) if len(logits) == 2 else logits
        chosen = choose(guided, noise, sampling, min_p)
        np.testing.assert_array_equal(drawing(logits, noise, sampling, 2 * at, min_p * at), chosen)
        assert len(np.unique(chosen)) > 1


def test_a_schedule_has_a_number_for_each_latent_frame_and_the_last_one_repeats():
    found = at_frames(jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([[0, 1, 5], [1, 0, 0]]))
    assert found[..., 0].tolist() == [[1, 2, 2], [4, 3, 3]]


def test_changing_a_dial_does_not_compile_again():
    traced = []

    @jax.jit
    def counted(logits, noise, sampling):
        traced.append(1)
        return choose(logits, noise, sampling)

    for sampling in (checked(), checked(temperature=0.0), checked(temperature=1.5, min_p=[0.1], cfg_scale=[3.0])):
        counted(LOGITS, jnp.zeros_like(LOGITS), sampling)
    assert len(traced) == 1
    for sampling in (checked(top_k=5), checked(temperature=0.7, top_p=0.9, min_p=[0.1]), checked(top_k=3, top_p=0.5)):
        counted(LOGITS, jnp.zeros_like(LOGITS), sampling)
    assert len(traced) == 2
