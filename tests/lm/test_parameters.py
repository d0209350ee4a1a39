"""Parameters made ready: the order of columns on a mesh, and int8 and bfloat16 matrices that decode nearly the same."""

from dataclasses import replace
from functools import partial
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reelm import configs
from reelm.errors import RequestError
from reelm.lm.language_model import LanguageModel, check_cache
from reelm.lm.layout import Layout
from reelm.lm.net import transformer
from reelm.lm.net.cache import empty_cache
from reelm.lm.net.config import LMConfig
from reelm.lm.net.embed import embed_codes
from reelm.lm.net.head import ValueTable
from reelm.lm.net.linear import Linear
from reelm.lm.net.rotary import SlotFields
from reelm.lm.parameters import arrange, for_decoding, narrowed, unroll
from reelm.lm.prefix import Prefix
from reelm.lm.sharding import join, split
from reelm.sampling.folder.text_parts import AbsentEncoder

LAYOUT = Layout(16, 2, 2, 3)


@partial(jax.jit, static_argnums=0)
def hidden(config: LMConfig, params: dict) -> jax.Array:
    """float32 `[2, 1 + 3, D]`: what the prefix and three codes read at once predict."""
    rng = np.random.default_rng(0)
    prefix = Prefix.of_words(rng.integers(0, 300, (2, 16)).astype(np.int32), 2, 3)
    codes = jnp.asarray(rng.integers(0, 32, (2, 3, 2)))
    cache = empty_cache(config, 2, LAYOUT.slots)
    last, cache = transformer.prefill(config, params, LAYOUT, prefix, cache)
    positions = SlotFields.of(config, LAYOUT, LAYOUT.slots, 2)
    inputs = jnp.concatenate([last[:, None], embed_codes(config, params, "video", codes, jnp.float32)], axis=1)
    return transformer.extend(config, params, inputs, jnp.zeros(2, jnp.int32), positions, cache, LAYOUT.slots)[0]


def test_parts_cut_over_shards_come_back():
    x = jnp.arange(2 * 24).reshape(2, 24)
    parts = jnp.split(x, (12, 18), axis=-1)
    for shards in (1, 2, 3):
        joined = join(parts, shards)
        # The first shard holds the first columns of every part.
        np.testing.assert_array_equal(joined[0, : 24 // shards][: 12 // shards], parts[0][0, : 12 // shards])
        np.testing.assert_array_equal(joined[0, 24 // shards - 1], parts[2][0, 6 // shards - 1])
        for ours, theirs in zip(split(joined, (12, 6, 6), shards), parts, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_one_device_keeps_every_column_where_it_is(tiny_model):
    lm = tiny_model.language_model()
    assert arrange(lm.config, lm.params, 1) is lm.params
    jax.tree.map(np.testing.assert_array_equal, lm.decoding_params["layers"], unroll(lm.params)["layers"])


def test_tables_are_the_sums_that_training_makes(tiny_model):
    lm = tiny_model.language_model()
    for part, name in (("codes", "tables_0"), ("head", "given_0"), ("head", "tables_1")):
        own, ready = lm.params[part][name], lm.decoding_params[part][name]
        bits, width = own["bits"].shape
        table = ValueTable(bits, width, 0.0, 0.0)
        expected, found = (cast(jax.Array, table.apply({"params": params})) for params in (own, ready))
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("weights", "error"), [("bfloat16", 0.03), ("int8", 0.03)])
def test_narrow_matrices_predict_nearly_the_same(tiny_model, weights, error):
    lm = tiny_model.language_model()
    exact = np.asarray(hidden(lm.config, lm.decoding_params))
    narrow = for_decoding(lm.config, lm.params, weights)
    kernel = narrow["layers"][0]["mlp"]["down"]["kernel"]
    assert kernel.dtype == {"bfloat16": jnp.bfloat16, "int8": jnp.int8}[weights]
    assert narrow["codes"]["tables_0"]["table"].dtype == jnp.bfloat16
    found = hidden(lm.config, narrow)
    distance = np.linalg.norm(found - exact) / np.linalg.norm(exact)
    assert 1e-4 < distance < error, distance


def test_what_does_not_fit_is_refused_with_what_would():
    config = configs.get("lm", "8b").model
    config = replace(config, width=512 * config.width)
    shapes = jax.eval_shape(partial(transformer.init_params, config), jax.random.key(0))
    params = jax.tree.map(lambda leaf: np.broadcast_to(np.zeros((), np.float32), leaf.shape), shapes)  # takes no memory
    large = LanguageModel(config, params, AbsentEncoder("t5", config.text_width, config.text_slots, "f" * 64))
    with pytest.raises(RequestError, match=r"takes \d+\.\d GiB in float32 on a device, free are .*; what fits: "):
        _ = large.decoding_params
    with pytest.raises(RequestError, match=r"decoding 100000 clips of 1348 positions .* what fits: \d+ at a time"):
        check_cache(large.config, large.mesh_sizes, 100_000, 200_000, 1348, 2)


def test_int8_is_scaled_channel_by_channel():
    rng = np.random.default_rng(0)
    # Channels of very different size: one scale for all would lose the small ones.
    kernel = (rng.normal(size=(64, 8)) * 10.0 ** -np.arange(8)).astype(np.float32)
    tree = narrowed({"kernel": jnp.asarray(kernel)}, "int8")
    x = rng.normal(size=(3, 64)).astype(np.float32)
    y = np.asarray(Linear(8, jnp.float32).apply({"params": tree}, x))
    error = np.linalg.norm(y - x @ kernel, axis=0) / np.linalg.norm(x @ kernel, axis=0)
    assert (error < 0.02).all(), error
    # The very numbers of an int8 file are found again.
    again = narrowed({"kernel": tree["kernel"].astype(jnp.float32) * tree["scale"]}, "int8")
    np.testing.assert_array_equal(again["kernel"], tree["kernel"])
