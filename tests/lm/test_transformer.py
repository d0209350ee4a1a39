"""The language model: causal, bidirectional over the prefix, and the same with a cache as without."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made.parameters import random_params

from reelm.lm.layout import Layout
from reelm.lm.net import head, transformer
from reelm.lm.net.attention import attend, attend_filled
from reelm.lm.net.cache import empty_cache
from reelm.lm.net.config import LMConfig
from reelm.lm.net.embed import embed_codes
from reelm.lm.net.rotary import SlotFields
from reelm.lm.parameters import unroll
from reelm.lm.prefix import ClipCodes, Prefix
from reelm.lm.specials import PictureKind
from reelm.tokenizer.codes import ids_to_sub_tokens

CONFIG = LMConfig(
    bits=10, text_vocabulary=20, prefix=6, frames=3, width=32, layers=2, heads=4, kv_heads=2, head_width=16, hidden=48
)
LAYOUT = Layout(prefix=6, frames=2, rows=2, columns=3)


@pytest.fixture(scope="module")
def params():
    return random_params(transformer.init_params, CONFIG, noise=0.1)


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(2)
    prefix = Prefix.of_words(rng.integers(0, 276, (2, 6), np.int32), 2, 3)
    return prefix, rng.integers(0, 1 << CONFIG.bits, (2, 2, 2, 3), np.int32)


# One program each: operation by operation, these few calls compile for a minute.
@partial(jax.jit, static_argnames="layout")
def score(params, layout: Layout, prefix: Prefix, codes):
    return transformer.forward_all(CONFIG, params, layout, prefix, ClipCodes.of_video(codes))


@jax.jit
def logits(params, hidden, sub_tokens):
    return head.all_logits(CONFIG, params, "video", hidden, sub_tokens)


@jax.jit
def sub_tokens_of(codes):
    return ids_to_sub_tokens(codes.reshape(2, -1), CONFIG.code)


@partial(jax.jit, static_argnames="layout")
def prefill(unrolled, layout: Layout, prefix: Prefix, cache):
    return transformer.prefill(CONFIG, unrolled, layout, prefix, cache)


@partial(jax.jit, static_argnames=("seen", "layout"))
def extend(params, inputs, first, cache, seen, layout=LAYOUT):
    rows = inputs.shape[0]
    positions = SlotFields.of(CONFIG, layout, layout.slots + inputs.shape[1], rows)
    return transformer.extend(CONFIG, params, inputs, jnp.broadcast_to(first, rows), positions, cache, seen)


@jax.jit
def inputs_of(params, last, codes):
    """The inputs of the slots that predict the codes, of which `last` is the prefix's last one."""
    codes = embed_codes(CONFIG, params, "video", sub_tokens_of(codes), jnp.float32)
    return jnp.concatenate([last[:, None], codes[:, :-1]], axis=1)


def with_pictures(prefix: Prefix, pictures: int) -> Prefix:
    """The prefix with some pictures of random codes, the last of them not there."""
    if not pictures:
        return prefix
    codes = jax.random.randint(jax.random.key(7), (2, pictures, 2, 3), 0, 1 << CONFIG.bits)
    kinds = jnp.array([PictureKind.FRAME, PictureKind.UNKNOWN, PictureKind.NOTHING])[:pictures, None, None]
    times = jax.random.uniform(jax.random.key(8), (2, pictures), maxval=3)
    return replace(prefix, codes=codes, kinds=jnp.broadcast_to(kinds, codes.shape), times=times)


@pytest.mark.parametrize(("window", "pictures"), [(1, 0), (5, 3)])
def test_cached_equals_uncached(params, sample, window, pictures):
    prefix, codes = sample
    prefix, layout = with_pictures(prefix, pictures), replace(LAYOUT, given_pictures=pictures)
    expected = score(params, layout, prefix, codes)
    unrolled = unroll(params)
    cache = empty_cache(CONFIG, 2, layout.slots + window - 1)
    last, cache = prefill(unrolled, layout, prefix, cache)
    # The last window may reach past the end.
    inputs, hidden = jnp.pad(inputs_of(unrolled, last, codes), ((0, 0), (0, window), (0, 0))), []
    for i in range(0, LAYOUT.codes, window):
        more, cache = extend(unrolled, inputs[:, i : i + window], i, cache, layout.slots + window - 1, layout)
        hidden.append(more)
    cached = jnp.concatenate(hidden, axis=1)[:, : LAYOUT.codes]
    sub_logits = [logits(params, state, sub_tokens_of(codes)) for state in (cached, expected)]
    for ours, theirs in zip(*sub_logits, strict=True):
        assert np.std(theirs) > 0.1  # otherwise equality would say nothing
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_given_pictures_count_by_code_kind_and_time_and_not_where_there_is_no_code(params, sample):
    prefix, codes = sample
    layout, pictures = replace(LAYOUT, given_pictures=3), with_pictures(prefix, 3)

    def far(**change) -> float:
        changed = score(params, layout, replace(pictures, **change), codes)
        return float(np.abs(changed - score(params, layout, pictures, codes)).max())

    ids, kinds, times = (jnp.asarray(leaf) for leaf in (pictures.codes, pictures.kinds, pictures.times))
    other = (ids + 1) % (1 << CONFIG.bits)
    assert far(codes=ids.at[:, 0].set(other[:, 0])) > 1e-3
    assert far(codes=ids.at[:, 1:].set(other[:, 1:])) == 0
    assert far(kinds=kinds.at[:, 0].set(PictureKind.ANCHOR)) > 1e-3
    assert far(times=times.at[:, 0].add(1)) > 1e-3


@pytest.mark.slow
def test_what_is_kept_for_the_way_back_changes_no_gradient(params, sample):
    def gradient(remat):
        codes = ClipCodes.of_video(sample[1])
        score = lambda params: transformer.forward_all(CONFIG, params, LAYOUT, sample[0], codes, remat=remat)  # noqa: E731
        loss = lambda params: jnp.sum(jnp.sin(score(params)))  # noqa: E731
        return jax.jit(jax.grad(loss))(params)

    expected = gradient("full")
    for remat in ("dots", "none"):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), gradient(remat), expected)


def test_no_code_sees_itself_or_a_later_one(params, sample):
    prefix, codes = sample
    hidden, flat = np.asarray(score(params, LAYOUT, prefix, codes)), codes.reshape(2, -1)
    for n in range(LAYOUT.codes - 1):
        other = flat.copy()
        other[:, n] = (other[:, n] + 1) % 1024
        changed = np.asarray(score(params, LAYOUT, prefix, other.reshape(codes.shape)))
        difference = np.abs(changed - hidden).max((0, 2))
        np.testing.assert_array_equal(difference[: n + 1], 0)
        assert (difference[n + 1 :] > 0).all()


def test_the_prefix_is_read_in_both_directions(params, sample):
    prefix, codes = sample
    words = np.array(prefix.words)
    words[:, -1] = (words[:, -1] + 1) % 276
    changed = replace(prefix, words=words)
    unrolled = unroll(params)

    def first_key_of_last_layer(prefix):
        cache = empty_cache(CONFIG, 2, LAYOUT.slots)
        return prefill(unrolled, LAYOUT, prefix, cache)[1][-1].keys[:, 0]

    assert np.abs(first_key_of_last_layer(prefix) - first_key_of_last_layer(changed)).max() > 1e-6


def test_a_short_attention_span_changes_nothing_while_it_covers_what_is_written(params, sample):
    prefix, codes = sample
    unrolled = unroll(params)
    cache = empty_cache(CONFIG, 2, LAYOUT.slots)
    last, cache = prefill(unrolled, LAYOUT, prefix, cache)
    inputs = inputs_of(unrolled, last, codes)[:, :2]
    results = [extend(unrolled, inputs, 0, cache, seen)[0] for seen in (7, LAYOUT.slots)]
    np.testing.assert_allclose(results[0], results[1], atol=1e-5)


@pytest.mark.parametrize("starts", [(0, 0), (100, 127), (126, 310), (383, 3)])
def test_attending_to_what_is_filled_is_attending_to_all_slots_up_to_ones_own(starts):
    keys = jax.random.split(jax.random.key(1), 3)
    query = jax.random.normal(keys[0], (2, 3, 4, 8))
    key, value = (10 * jax.random.normal(each, (2, 512, 2, 8)) for each in keys[1:])
    start = jnp.asarray(starts)
    mask = jnp.arange(512) <= start[:, None, None] + jnp.arange(3)[:, None]
    filled = jax.jit(attend_filled)(query, key, value, start)
    np.testing.assert_allclose(filled, attend(query, key, value, mask), atol=1e-5)


def test_a_later_sub_token_depends_on_the_earlier_one_and_not_the_other_way(params, sample):
    _, codes = sample
    hidden = jax.random.normal(jax.random.key(4), (2, 1, CONFIG.width))
    codes = sub_tokens_of(codes)[:, :1]
    other = codes.at[..., 0].set((codes[..., 0] + 1) % 32)
    last = codes.at[..., 1].set((codes[..., 1] + 1) % 32)
    expected, of_other, of_last = (logits(params, hidden, each) for each in (codes, other, last))
    np.testing.assert_array_equal(of_other[0], expected[0])
    assert np.abs(of_other[1] - expected[1]).max() > 1e-3
    np.testing.assert_array_equal(of_last[1], expected[1])


def test_equal_steps_are_equal_rotations_also_across_rows_of_the_raster():
    from reelm.lm.net.rotary import query_and_key_angles, rotate

    query_angles, key_angles = query_and_key_angles(CONFIG, LAYOUT)
    query = jax.random.normal(jax.random.key(5), (1, 1, 1, 16))
    key = jax.random.normal(jax.random.key(6), (1, 1, 1, 16))
    # Slot s predicts code s - 5; the code of the same place one latent frame before stands per_picture slots before it.
    product = jax.jit(lambda query_angle, key_angle: jnp.sum(rotate(query, query_angle) * rotate(key, key_angle)))
    query_angles, key_angles = np.asarray(query_angles), np.asarray(key_angles)
    products = [
        product(query_angles[s : s + 1], key_angles[s + 1 - LAYOUT.per_picture :][:1])
        for s in range(LAYOUT.prefix - 1 + LAYOUT.per_picture, LAYOUT.slots)
    ]
    np.testing.assert_allclose(products, products[0], atol=1e-5)
