"""The list of options: checked once, and the same for Python, the command line and type checkers."""

import inspect
from dataclasses import fields
from typing import get_type_hints

import pytest

from reelm.cli.generate import Generate
from reelm.errors import RequestError
from reelm.sampling.arguments import read_arguments
from reelm.sampling.conditions.sources import SourceFields, Sources
from reelm.sampling.model import Model
from reelm.sampling.options import OptionFields, Options


@pytest.mark.parametrize(("kind", "keywords"), [(Options, OptionFields), (Sources, SourceFields)])
def test_keyword_arguments_have_the_names_and_types_of_the_fields(kind, keywords):
    hints = get_type_hints(kind)
    assert {field.name: hints[field.name] for field in fields(kind)} == get_type_hints(keywords)


@pytest.mark.parametrize("method", [Model.generate, Model.stream])
def test_help_shows_every_option_with_type_default_and_sentence(method):
    parameters, text = inspect.signature(method).parameters, inspect.getdoc(method) or ""
    assert "arguments" not in parameters
    for field in (*fields(Sources), *fields(Options)):
        assert parameters[field.name].default == field.default
        assert parameters[field.name].annotation == field.type
        assert f"\n    {field.name}: " in text


def test_the_command_line_knows_every_option_and_file():
    files = {field.name for field in fields(Sources)} - {"keyframes"}  # numbered pictures have no form in a shell
    assert files <= {field.name for field in fields(Generate)}
    assert Generate.__dataclass_fields__["sampling"].type is Options


@pytest.mark.parametrize(
    "bad",
    [
        {"num_frames": 0},
        {"height": 0},
        {"fps": float("inf")},
        {"num_samples": 0},
        {"best_of": 0},
        {"seed": -1},
        {"seed": 2**32 - 1, "num_samples": 2},
        {"temperature": -1},
        {"top_k": -1},
        {"top_k": 1.5},
        {"top_p": 0},
        {"top_p": 1.1},
        {"min_p": 2},
        {"cfg_scale": -1},
        {"cfg_scale": []},
        {"overlap": -1},
        {"decoding": "fast"},
    ],
)
def test_a_value_out_of_range_is_refused_by_its_name(bad):
    with pytest.raises(RequestError, match=next(iter(bad))):
        Options(**bad)


@pytest.mark.parametrize(
    ("wrong", "right"), [("guidance_scale", "cfg_scale"), ("num_frame", "num_frames"), ("last_imge", "last_image")]
)
def test_a_wrong_name_is_answered_with_the_right_one(wrong, right):
    with pytest.raises(TypeError, match=f"did you mean '{right}'"):
        read_arguments({wrong: 1})
