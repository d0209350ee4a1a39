"""Sizes that are stated before anything is allocated: those of the arrays, and those in the presets' own words."""

import re
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reelm import configs
from reelm.cli.commands.model_size import notes
from reelm.cli.main import main
from reelm.errors import RequestError
from reelm.lm import size
from reelm.lm.net import transformer
from reelm.lm.net.cache import empty_cache
from reelm.lm.net.config import LMConfig
from reelm.lm.parameters import NumberFormat, for_decoding
from reelm.train.step import state
from reelm.train.step.memory import check_state
from reelm.train.step.optimizer import OptimizerConfig

CONFIG = LMConfig(
    bits=10, text_vocabulary=20, prefix=6, frames=3, width=32, layers=2, heads=4, kv_heads=2, head_width=16, hidden=48
)
ONE = {"data": 1, "fsdp": 1, "tensor": 1, "sequence": 1}


@pytest.fixture(scope="module")
def params():
    shapes = jax.eval_shape(lambda: transformer.init_params(CONFIG, jax.random.key(0)))
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes)


def held(tree) -> int:
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize("weights", get_args(NumberFormat))
def test_weights_take_what_was_said(params, weights):
    assert size.weight_bytes(CONFIG, weights) == held(for_decoding(CONFIG, params, weights))


def test_cache_and_state_take_what_was_said(params):
    cache = empty_cache(CONFIG, 3, 17, jnp.bfloat16)
    assert size.cache_bytes(CONFIG, 17, 3, 2) == held(cache)
    create = lambda params: state.create(params, OptimizerConfig().build(10), 0)  # noqa: E731
    assert size.training_bytes(CONFIG, create, 2, 17, 4)["state"] == held(create(params))


def test_a_state_that_cannot_fit_is_refused_with_a_mesh_that_holds_it(params):
    create = lambda params: state.create(params, OptimizerConfig().build(10), 0)  # noqa: E731
    least = held(create(params)) + held(params)  # and a gradient
    check_state(CONFIG, create, ONE, least)
    check_state(CONFIG, create, ONE, None)
    with pytest.raises(
        RequestError, match=r"before any activations, free are .*; what fits: more devices, --mesh fsdp=2$"
    ):
        check_state(CONFIG, create, ONE, least - 1)
    check_state(CONFIG, create, {**ONE, "fsdp": 2}, least - 1)
    with pytest.raises(RequestError, match="what fits: a smaller model"):
        check_state(CONFIG, create, ONE, 1000)


def test_a_mesh_divides_what_a_device_holds():
    cut = {**ONE, "tensor": 2}
    assert size.cache_bytes(CONFIG, 17, 3, 2, cut) * 2 == size.cache_bytes(CONFIG, 17, 3, 2)
    assert 0.5 < size.weight_bytes(CONFIG, "bfloat16", cut) / size.weight_bytes(CONFIG, "bfloat16") < 0.53


@pytest.mark.parametrize("name", ["300m", "1b", "8b"])
def test_the_numbers_in_the_words_of_a_preset_are_right(name):
    run = configs.get("lm", name)
    column = ["300m", "1b", "8b"].index(name)
    rows = re.findall(r"^\| (?!\|)(.*) \|$", words_of_the_presets(), re.MULTILINE)
    table = {cells[0].strip(): cells[1:][column].strip() for cells in (row.split("|") for row in rows)}
    shapes = jax.eval_shape(lambda: transformer.init_params(run.model, jax.random.key(0)))
    assert table["parameters"] == f"{sum(leaf.size for leaf in jax.tree.leaves(shapes)):,}"
    said = [float(number) for number in table["GB of weights, float32 / bfloat16 / int8"].split("/")]
    found = [size.weight_bytes(run.model, weights) / 1e9 for weights in get_args(NumberFormat)]
    np.testing.assert_allclose(said, found, rtol=3e-3)
    positions = run.model.layout(5, 16, 16).slots
    assert positions == 4 + 64 + 5 * 16 * 16 + 85
    assert f"{positions:,} positions" in words_of_the_presets()
    assert table["GB of the cache of one clip, bfloat16"] == f"{size.cache_bytes(run.model, positions, 1, 2) / 1e9:.3f}"
    create = lambda params: state.create(params, run.optimizer.build(10), 0)  # noqa: E731
    states = size.training_bytes(run.model, create, 1, 1, 2)["state"] / 1e9
    np.testing.assert_allclose(float(table["GB of a state in training"]), states, rtol=3e-3)
    assert run.model.kv_heads >= 8 and run.model.bits == 18 and run.model.sound_levels == 8


def words_of_the_presets() -> str:
    from reelm.configs import videopoet

    assert videopoet.__doc__ is not None
    return videopoet.__doc__


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--mesh", "fsdp=8", "--memory", "80"], 0, "training, 256 clips in 4 parts: 30.* a device: fits 80 GB"),
        (
            ["--memory", "24"],
            0,
            r"weights a device: 32.1 GB in float32, 16.1 GB in bfloat16, 8.09 GB in int8\n"
            r"  cache of a clip a device: 0.47 GB in float32, 0.235 GB in bfloat16; twice that with guidance\n"
            r"  optimizer a device: 64.2 GB, of 128 GB of state.*\n"
            r"  decoding a clip in float32, guided: 33.* GB a device: does not fit 24 GB; --mesh tensor=2",
        ),
        (["--mesh", "tensor=3"], 2, "mesh axis tensor is 3; it must divide kv_heads 8 .* 1, 2, 4, 8"),
        (["--mesh", "heads=3"], 2, "axes are data, fsdp, tensor, sequence"),
        (["--memory", "0"], 2, "--memory is 0.0; it must be above 0"),
    ],
)
def test_info_says_what_fits(capfd, words, status, said):
    assert main(["info", "8b", *words]) == status
    printed = capfd.readouterr()
    assert re.search(said, printed.err if status else printed.out)


def test_info_waits_for_the_words_of_a_describer(capsys):
    assert main(["info", "demo_sound"]) == 0
    described = capsys.readouterr().out.partition("config of describer:\n")[2]
    assert described.startswith("  parameters: known once the words are taken from the captions\n  model:")


def test_codes_are_as_large_as_the_tokenizer_makes_them():
    with pytest.raises(RequestError, match="multiples of 16, not 64 and 72"):
        notes(configs.get("lm", "demo"), 16, None, None, 64, 72)
