"""Tests of the table of trainings: every row names existing functions of its part."""

from dataclasses import replace
from functools import partial
from typing import get_args, get_type_hints

import jax
import pytest

from reelm.train.stages import STAGES, StageName


def test_the_table_has_every_name():
    assert tuple(STAGES) == get_args(StageName)


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_a_training_makes_the_part_of_its_row(stage):
    assert stage.run_type is get_type_hints(stage.make_job)["run"]
    model = stage.run_type().model
    if stage.name == "describer":  # a training takes the words from its captions
        model = replace(model, words=(("red",),), usual=(0.5,))
    assert jax.tree.leaves(jax.eval_shape(partial(stage.init_params, model), jax.random.key(0)))
