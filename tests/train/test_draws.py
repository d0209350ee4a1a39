"""A language model whose own codes are far less likely to it than those of its training is not exported."""

from dataclasses import replace

import jax
import numpy as np
import pytest

import reelm
from reelm.errors import RequestError
from reelm.train.draws import check_draws, nats_of_draws
from reelm.train.export import ExportPlan, export


def test_nats_of_draws_are_those_of_a_clip_that_is_scored(tiny_model):
    nats = nats_of_draws(tiny_model)
    assert nats.shape == (2,) and np.isfinite(nats).all()
    assert nats.mean() < tiny_model.language_model().config.bits * np.log(2) + 1


def test_codes_as_likely_as_in_training_pass_and_noise_is_refused(tiny_model):
    nats = float(nats_of_draws(tiny_model).mean())
    check_draws(tiny_model, {"nats_first": nats, "nats_later": nats}, "runs/lm")
    check_draws(tiny_model, {}, "runs/lm")  # nothing is known of its training
    with pytest.raises(RequestError, match=r"runs/lm makes noise: .* had 0.50\. .* --no-check-draws"):
        check_draws(tiny_model, {"nats_first": 0.5}, "runs/lm")


@pytest.mark.long
@pytest.mark.slow
def test_weights_that_are_mixed_up_are_not_exported(tmp_path):
    """The layers of the shipped model in another order: each is sound, and the model makes noise."""
    demo = reelm.load("demo")
    lm = demo.language_model()
    layers = jax.tree.map(lambda leaf: np.asarray(leaf)[::-1], lm.params["layers"])
    mixed = replace(lm, params=lm.params | {"layers": layers})
    replace(demo, lm=mixed).save(tmp_path / "mixed")
    plan = ExportPlan(video_tokenizer=tmp_path / "mixed", audio_tokenizer=tmp_path / "mixed", lm=(tmp_path / "mixed",))
    with pytest.raises(RequestError, match="mixed makes noise"):
        export(plan, tmp_path / "model")
    assert not (tmp_path / "model").exists()
