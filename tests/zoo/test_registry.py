"""The registry: all that a model of the zoo brings is there under its name, and a name is known without its code."""

import subprocess
import sys
from inspect import signature

import pytest

from reelm import configs, registry
from reelm.data import catalog
from reelm.errors import RequestError
from reelm.evaluation import by_task
from reelm.train.stages import STAGES


@pytest.mark.parametrize("name", registry.entries("DATA_SETS"))
def test_a_data_set_is_found_by_its_name_and_has_a_card(name):
    found = registry.entries("DATA_SETS")[name].load()
    assert found.name == name and name in catalog.own_names() and catalog.describe(name) == found.summary
    assert registry.data_cards()[name].licence


@pytest.mark.parametrize("name", registry.entries("PRESETS"))
def test_a_preset_trains_a_part(name):
    assert name in configs.names() and configs.stages(name)
    for stage in configs.stages(name):
        assert isinstance(configs.get(stage, name), STAGES[stage].run_type)


@pytest.mark.parametrize("name", by_task.names())
def test_a_task_takes_what_the_command_gives_to_all(name):
    assert {"clips", "seed", "progress"} <= signature(by_task.find(name)).parameters.keys()


@pytest.mark.parametrize("name", registry.entries("RECONSTRUCTIONS"))
def test_figures_of_a_data_set_take_what_the_command_gives(name):
    assert name in registry.entries("DATA_SETS")
    score = registry.entries("RECONSTRUCTIONS")[name].load()
    assert {"clips", "split", "progress"} <= signature(score).parameters.keys()


def test_no_two_models_bring_the_same_name():
    for kind in ("DATA_SETS", "DATA_CARDS", "PRESETS", "EVALUATIONS", "RECONSTRUCTIONS", "GOALS"):
        names = [name for brought in registry._registered(kind).values() for name in brought]
        assert names and len(names) == len(set(names))
    assert not by_task.TASKS.keys() & registry.entries("EVALUATIONS").keys()


def test_an_unknown_task_is_refused_with_those_that_there_are():
    with pytest.raises(RequestError, match="no task is named 'words-latin'; choose one of words, .*, world"):
        by_task.find("words-latin")


def test_names_are_known_without_the_code_of_a_model():
    program = """
import sys
from reelm import registry
kinds = ("DATA_SETS", "PRESETS", "EVALUATIONS", "GOALS")
assert all(registry.entries(kind) for kind in kinds) and registry.data_cards()
assert not {"numpy", "jax", "reelm.data", "reelm.train"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", program], check=True)
