"""Tests of freeze_known: only new parameters of a language model are trained."""

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from made.token_sets import of_one_code
from safetensors.numpy import load_file

import reelm
from reelm.data.tokens.config import Bucket, Stage
from reelm.errors import RequestError
from reelm.lm.net.config import LMConfig
from reelm.train.export import ExportPlan, export
from reelm.train.lm.config import LMRun
from reelm.train.lm.run import start_of
from reelm.train.parts import open_lm
from reelm.train.run.config import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig

SHOWN = {"red seven": 5, "blue eight": 1000}
"""The code that all of a clip has, by its caption."""


@pytest.mark.long
@pytest.mark.slow  # two trainings are compiled
def test_a_further_kind_of_picture_is_learned_and_the_rest_stays_to_the_bit(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "parts")
    said = [((caption,), code) for caption, code in SHOWN.items()] * 8
    run = LMRun(
        model=LMConfig(bits=10, frames=2, width=32, layers=2, heads=2, kv_heads=1, head_width=16, hidden=32,
                       prefix=24, text_vocabulary=280, picture_kinds=4),
        tokens=(of_one_code(tmp_path / "tokens", tiny_model.video_tokenizer.hash, said, 2),),
        stages=(Stage(buckets=(Bucket(frames=1, batch_size=8), Bucket(frames=1, batch_size=8, task="continuation")),
                      weights=(0.9, 0.1)),),
        optimizer=OptimizerConfig(muon=0.02, warmup=1),
        loop=LoopConfig(steps=60, save_every=60, sample_every=0),
    )  # fmt: skip
    reelm.train(run, tmp_path / "first")
    second = replace(
        run,
        model=replace(run.model, picture_kinds=5),
        start_from=tmp_path / "first",
        freeze_known=True,
        stages=(Stage(buckets=(Bucket(frames=1, batch_size=8),)),),
        caption_dropout=0.0,
        optimizer=OptimizerConfig(learning_rate=0.05, muon=0.02, warmup=1),
    )
    reelm.train(second, tmp_path / "second")
    before, after = (open_lm(tmp_path / name, None).model for name in ("first", "second"))
    assert set(after.tasks) == {"t2v", "continuation"}  # a frozen model has not forgotten
    assert {"red", "eight"} <= {*after.training_domain.words} and after.training_domain.frames == 5
    table, old = (model.params["given"]["embedding"] for model in (after, before))
    np.testing.assert_array_equal(table[:4], old)
    assert len(table) == 5
    rest = [{name: part for name, part in model.params.items() if name != "given"} for model in (before, after)]
    jax.tree.map(np.testing.assert_array_equal, *rest)
    for name in ("first", "second"):
        plan = ExportPlan(video_tokenizer=tmp_path / "parts", lm=[tmp_path / name], check_draws=False, dtype="int8")
        export(plan, tmp_path / "int8" / name)
    stored = [load_file(tmp_path / "int8" / name / "lm.safetensors") for name in ("first", "second")]
    for name, values in stored[0].items():
        np.testing.assert_array_equal(stored[1][name][: len(values)], values)
    model = reelm.load(str(tmp_path / "int8" / "second"))
    for caption, code in SHOWN.items():
        made = model.generate(caption, num_frames=1, height=16, width=24, temperature=0.0)
        assert isinstance(made, reelm.Clip) and made.tokens is not None
        np.testing.assert_array_equal(made.tokens["video"], code)


def test_a_model_that_lacks_nothing_is_not_trained(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "m")
    run = LMRun(model=tiny_model.language_model().config, start_from=tmp_path / "m", freeze_known=True)
    with pytest.raises(RequestError, match="has all parameters of this model"):
        start_of(run, [], tmp_path / "run")


def test_only_known_weights_that_nothing_moves_can_be_frozen():
    for changed in ({}, {"start_from": Path("demo"), "optimizer": OptimizerConfig(weight_decay=0.1)}):
        with pytest.raises(RequestError, match="keeps the weights of start_from; name one, and leave out weight_decay"):
            LMRun(freeze_known=True, **changed)
