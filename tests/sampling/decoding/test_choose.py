"""Choosing values: limits of the dials, the distribution of draws, and their independence from the batch."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reelm.sampling.decoding.choose import Controls, draw, guide, noise_of
from reelm.sampling.decoding.choose import choose as choosing

choose = jax.jit(choosing)  # as decoding does; the dials are traced
LOGITS = jnp.array([[0.0, 3.0, 1.0, 2.0, -1.0], [5.0, 4.9, -3.0, 0.0, 0.0]])


def draws(controls: Controls, logits: jax.Array = LOGITS[:1], count: int = 4000) -> np.ndarray:
    noise = jax.random.gumbel(jax.random.key(0), (count, logits.shape[-1]))
    return np.asarray(choose(jnp.broadcast_to(logits, noise.shape), noise, controls))


def checked(**controls: Any) -> Controls:
    return Controls.of(1, **controls)


@pytest.mark.parametrize(
    "controls", [checked(temperature=0.0), checked(top_k=1), checked(top_p=1e-6), checked(min_p=1)]
)
def test_greedy_top_1_a_tiny_top_p_and_a_full_min_p_take_the_likeliest(controls):
    assert (draws(controls) == 1).all()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_softmax(temperature):
    seen = np.bincount(draws(checked(temperature=temperature)), minlength=5) / 4000
    np.testing.assert_allclose(seen, jax.nn.softmax(LOGITS[0] / temperature), atol=0.03)


def test_top_k_keeps_exactly_k():
    assert set(draws(checked(temperature=3.0, top_k=3))) == {1, 2, 3}


def test_top_p_keeps_the_fewest_that_hold_the_share():
    p = np.sort(jax.nn.softmax(LOGITS[0]))[::-1]
    assert p[0] < 0.7 < p[0] + p[1]
    assert set(draws(checked(top_p=0.7))) == {1, 3}


def test_min_p_keeps_those_at_least_so_likely_beside_the_likeliest():
    share = jax.nn.softmax(LOGITS[0])[jnp.array([1, 3, 2, 0])] / jax.nn.softmax(LOGITS[0])[1]
    assert share[2] > 0.1 > share[3]
    assert set(draws(checked(min_p=0.1))) == {1, 3, 2}
    assert set(draws(checked(temperature=3.0, min_p=0.1))) == {0, 1, 2, 3, 4}  # of what the temperature makes of them


def test_noise_belongs_to_its_clip_its_place_and_its_sub_token():
    keys, places = jax.random.split(jax.random.key(1), 3), jnp.tile(jnp.array([7, 8, 1_000_000]), (3, 1))
    noise = noise_of(keys, places, (4, 4, 3))
    assert [each.shape for each in noise] == [(3, 3, 16), (3, 3, 16), (3, 3, 8)]
    alone = noise_of(keys[1:2], places[1:2, 2:], (4, 4, 3))
    for of_all, of_one in zip(noise, alone, strict=True):
        np.testing.assert_array_equal(of_all[1:2, 2:], of_one)
    assert len(np.unique(np.concatenate([np.ravel(each) for each in noise]))) > 0.99 * 9 * 40


@pytest.mark.parametrize("controls", [checked(), checked(temperature=0.7, top_k=3, top_p=0.9, min_p=0.1)])
def test_a_draw_does_not_depend_on_its_batch(controls):
    noise = np.asarray(jax.random.gumbel(jax.random.key(1), (100, 2, LOGITS.shape[-1])))
    both = choose(jnp.broadcast_to(LOGITS, noise.shape), noise, controls)
    alone = [[choose(LOGITS[i : i + 1], each[i : i + 1], controls)[0] for i in range(2)] for each in noise]
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


# Nothing (0) is the likeliest, and each of 50 values that begin something is rare. Words make the first five likelier.
_NOTHING = jnp.log(jnp.array([0.5, *[0.01] * 50]))
_BY_WORDS = jnp.log(jnp.array([0.5, *[0.08] * 5, *[0.1 / 45] * 45]))


def drawn_first(*logits: jax.Array, scale: float = 1.0, first: bool = True, **controls: float) -> np.ndarray:
    """4000 draws of a place by the logits of the conditional model, and of the unconditional one."""
    rows = jnp.concatenate([jnp.tile(each, (1, 4000, 1)) for each in logits])
    noise = jax.random.gumbel(jax.random.key(0), (1, *rows.shape[1:]))
    at = jnp.full((1, 4000, 1), scale), jnp.full((1, 4000, 1), first)
    return np.asarray(jax.jit(draw)(rows, noise, *at, checked(**controls)))[0]


def test_a_clip_begins_as_often_as_the_model_says_however_many_ways_there_are():
    assert (drawn_first(_NOTHING, first=False, min_p=0.2) == 0).all()
    seen = np.bincount(drawn_first(_NOTHING, min_p=0.2), minlength=51) / 4000
    assert abs(seen[0] - 0.5) < 0.03 and (seen[1:] > 0).all()
    assert abs(np.mean(drawn_first(_NOTHING, min_p=0.2, temperature=0.5) == 0) - 0.25 / (0.25 + 50 * 0.01**2)) < 0.03


@pytest.mark.parametrize("cfg_min_p", [0.0, 0.1])
def test_guidance_chooses_what_begins_and_not_how_often(cfg_min_p):
    seen = drawn_first(_BY_WORDS, _NOTHING, scale=3.0, min_p=0.2, cfg_min_p=cfg_min_p)
    assert abs(np.mean(seen == 0) - 0.5) < 0.03
    assert set(seen) == {0, 1, 2, 3, 4, 5}  # the others are far less likely than these


def test_what_is_not_likely_enough_together_does_not_begin():
    hardly = jnp.log(jnp.array([0.9, *[0.1 / 8] * 8]))  # 0.11 of the likeliest
    assert (drawn_first(hardly, min_p=0.2) == 0).all()
    assert set(drawn_first(hardly, min_p=0.1)) == {*range(9)}


def test_of_few_that_may_begin_each_is_compared():
    few = jnp.log(jnp.array([0.6, 0.25, *[0.15 / 50] * 50]))
    assert (drawn_first(few, min_p=0.5) == 0).all()
    assert set(drawn_first(few, min_p=0.3)) == {0, 1}


def test_elsewhere_a_draw_is_a_choice_among_guided_values():
    rows, at = jnp.tile(LOGITS[:, None], (1, 300, 1)), jnp.ones((1, 300, 1))
    noise = jax.random.gumbel(jax.random.key(1), (1, *rows.shape[1:]))
    expecting = jnp.stack([rows[0], rows[0][:, ::-1]])  # the two models do not expect the same value
    for logits, first, controls in (
        (rows, False, checked(min_p=0.3, top_k=4)),
        (rows, True, checked(temperature=1.5, top_p=0.9, cfg_min_p=0.1)),  # nothing is left out
        (expecting, True, checked(min_p=0.02)),
    ):
        guided = guide(logits, 2 * at, controls.cfg_min_p[:, None, None])
        chosen = choose(guided, noise, controls)
        np.testing.assert_array_equal(draw(logits, noise, 2 * at, at == first, controls), chosen)
        assert len(np.unique(chosen)) > 1


def test_changing_a_dial_does_not_compile_again():
    traced = []

    @jax.jit
    def counted(logits, noise, controls):
        traced.append(1)
        return choose(logits, noise, controls)

    for controls in (checked(), checked(temperature=0.0), checked(temperature=1.5, min_p=0.1, cfg_scale=[3.0])):
        counted(LOGITS, jnp.zeros_like(LOGITS), controls)
    assert len(traced) == 1
    for controls in (checked(top_k=5), checked(temperature=0.7, top_p=0.9, min_p=0.1), checked(top_k=3, top_p=0.5)):
        counted(LOGITS, jnp.zeros_like(LOGITS), controls)
    assert len(traced) == 2
