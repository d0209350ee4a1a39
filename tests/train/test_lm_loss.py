"""Tests of the loss of a language model: weights of frames, and hidden codes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made.parameters import random_params

from reelm.lm.net import transformer
from reelm.lm.net.config import LMConfig
from reelm.lm.prefix import ClipCodes, Prefix
from reelm.train.lm.config import LMRun
from reelm.train.lm.loss import make_loss

CONFIG = LMConfig(
    bits=10, text_vocabulary=20, prefix=6, frames=3, width=32, layers=2, heads=4, kv_heads=2, head_width=16, hidden=48,
)  # fmt: skip
CODES = np.random.default_rng(0).integers(0, 1 << 10, (2, 3, 2, 3), np.int32)


@pytest.fixture(scope="module")
def params():
    return random_params(transformer.init_params, CONFIG, noise=0.1)


@partial(jax.jit, static_argnums=0)
def loss_of(run: LMRun, params: dict, codes: jax.Array):
    prefix = Prefix.of_words(np.arange(12).reshape(2, 6), 2, 3)
    batch = {"prefix": prefix, "codes": ClipCodes(video=codes, sound=np.zeros((2, 0, 0), np.int32))}
    return make_loss(run)(params, batch, jax.random.key(0), jnp.int32(0))


def test_the_first_latent_frame_has_its_weight_in_the_loss(params):
    loss, metrics = loss_of(LMRun(model=CONFIG, first_frame=0.25, z_loss=0.0), params, CODES)
    first, later = metrics["nats_first"], metrics["nats_later"]
    np.testing.assert_allclose(loss, (0.25 * first + 2 * later) / 2.25, rtol=1e-5)


def test_last_frame_dropout_predicts_each_code_of_the_last_frame_from_the_frames_before(params):
    """Then the loss is a sum over these codes, to which each adds what it adds whatever the others are."""

    def crossed(share: float, frame: int) -> float:
        """Return how much more two changed codes of a frame change the loss together than one by one."""
        run = LMRun(model=CONFIG, last_frame_dropout=share, z_loss=0.0)
        one, other = CODES.copy(), CODES.copy()
        one[:, frame, 0, 0] ^= 5
        other[:, frame, 1, 1] ^= 9
        both = np.where(one != CODES, one, other)
        plain, of_one, of_other, of_both = (loss_of(run, params, c)[0] for c in (CODES, one, other, both))
        return abs(float(of_both + plain - of_one - of_other))

    assert crossed(0.0, -1) > 1e-4
    assert crossed(1.0, -1) < 1e-5
    assert crossed(1.0, 1) > 1e-4  # the frames before it are seen
