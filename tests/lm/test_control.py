"""The control field: what is added to the inputs of the slots that predict codes."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from made.parameters import random_params

from reelm.errors import RequestError
from reelm.lm.net.config import LMConfig
from reelm.lm.net.embed import embed_control
from reelm.lm.net.transformer import init_params

CONFIG = LMConfig(
    bits=6, text_vocabulary=20, prefix=6, frames=3, width=32, layers=1, heads=2, kv_heads=1, head_width=16, hidden=48,
    keys=("left", "right"), grid=(2, 3),
)  # fmt: skip


@pytest.fixture(scope="module")
def params():
    return random_params(init_params, CONFIG, noise=0.1)


@pytest.mark.parametrize(("keys_at", "slots"), [("codes", [0, 1, 2, 3, 4, 5]), ("front", [0])])
def test_keys_are_told_at_the_codes_of_their_frame_or_in_front_of_it(params, keys_at, slots):
    config, told = replace(CONFIG, keys_at=keys_at), np.array([1.0, 0.0, 1.0])
    asked = np.zeros((1, 2, 1, 1, 3), np.float32)
    asked[0, 1] = told
    one, other = (
        embed_control(config, params, control, (2, 3), jnp.float32) for control in (asked, np.zeros_like(asked))
    )
    assert one is not None and other is not None and one.shape == (1, 12, 32)
    changed = np.abs(np.asarray(one - other)[0]).max(axis=1) > 1e-4
    assert np.flatnonzero(changed).tolist() == [6 + slot for slot in slots]
    places = np.asarray(other)[0].reshape(2, 6, 32)
    np.testing.assert_array_equal(places[0], places[1])  # where a code is does not depend on the keys
    assert len(np.unique(places[0].round(5), axis=0)) == 6


def test_keys_are_told_nowhere_else():
    with pytest.raises(RequestError, match="keys_at is 'behind'; it is one of codes, front"):
        replace(CONFIG, keys_at="behind")
