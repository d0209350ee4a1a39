"""The list of options: checked once, and the same for Python, the command line and type checkers."""

import inspect
import re
from dataclasses import fields, replace
from typing import Any, cast, get_args, get_type_hints

import numpy as np
import pytest

import reelm
from reelm.cli.commands.generate import Generate
from reelm.errors import RequestError, RequestWarning
from reelm.lm.training_domain import TrainingDomain
from reelm.media.outlines import STRUCTURES
from reelm.sampling.arguments import read_arguments
from reelm.sampling.conditions.sources import STRUCTURED, SourceFields, Sources
from reelm.sampling.model import Model
from reelm.sampling.options import FILES, ControlKind, OptionFields, Options
from reelm.sampling.planning.plan import plan


@pytest.mark.parametrize(("kind", "keywords"), [(Options, OptionFields), (Sources, SourceFields)])
def test_keyword_arguments_have_the_names_and_types_of_the_fields(kind, keywords):
    hints, given = get_type_hints(kind), get_type_hints(keywords)
    assert [*given] == [field.name for field in fields(kind)]
    for name, hint in given.items():
        # The content of a file may be given, too; it becomes a path.
        assert plain(hint) == plain(hints[name]), name


def plain(hint: Any) -> Any:
    """A type as it is written, without the types of a file's content."""
    return re.sub(r" \| bytes \| bytearray \| memoryview \| typing.BinaryIO", "", str(hint))


def test_every_picture_clip_and_sound_is_a_file_that_servers_and_the_command_line_take():
    names = {field.name for field in fields(Sources)} - {"keyframes", "references", *STRUCTURED}
    assert {*FILES} == names <= {field.name for field in fields(Generate)}


def test_every_kind_of_control_clip_can_be_made():
    assert get_args(ControlKind) == tuple(STRUCTURES)


@pytest.mark.parametrize("method", [Model.generate, Model.stream])
def test_help_shows_every_option_with_type_default_and_sentence(method):
    parameters, text = inspect.signature(method).parameters, inspect.getdoc(method) or ""
    assert "arguments" not in parameters
    for field in (*fields(Sources), *fields(Options)):
        assert parameters[field.name].default == field.default
        assert parameters[field.name].annotation == field.type
        assert f"\n    {field.name}: " in text


def test_the_command_line_knows_every_option_and_file():
    files = {field.name for field in fields(Sources)} - {"keyframes", "keys"}  # neither has a form in a shell
    one_each = {"tracks": "track", "references": "reference"}  # said once for each
    assert {one_each.get(name, name) for name in files} <= {field.name for field in fields(Generate)}
    assert Generate.__dataclass_fields__["sampling"].type is Options


@pytest.mark.parametrize(
    "bad",
    [
        {"num_frames": 0},
        {"num_frames": 2**63},
        {"num_frames": 5.0},
        {"num_frames": float("nan")},
        {"num_frames": "5"},
        {"height": 0},
        {"width": 2**63},
        {"fps": 0},
        {"fps": 1e-300},
        {"fps": float("inf")},
        {"fps": "8"},
        {"num_samples": 0},
        {"num_samples": 300_000_000},
        {"seed": 1.5},
        {"seed": "3"},
        {"temperature": float("nan")},
        {"temperature": None},
        {"top_k": 2**63},
        {"top_p": float("nan")},
        {"cfg_scale": float("nan")},
        {"cfg_scale": [1.0, None]},
        {"cfg_scale": "2"},
        {"overlap": float("nan")},
        {"overlap": float("inf")},
        {"overlap": 1e6},
        {"negative_prompt": 5},
        {"best_of": 0},
        {"seed": -1},
        {"seed": 2**32 - 1, "num_samples": 2},
        {"temperature": -1},
        {"top_k": -1},
        {"top_k": 1.5},
        {"top_p": 0},
        {"top_p": 1.1},
        {"min_p": 2},
        {"min_p": [0.0, 1.5]},
        {"min_p": []},
        {"cfg_scale": -1},
        {"cfg_scale": []},
        {"overlap": -1},
        {"decoding": "fast"},
    ],
)
def test_a_value_out_of_range_is_refused_by_its_name(bad):
    with pytest.raises(RequestError, match=next(iter(bad))):
        Options(**cast(Any, bad))


def test_numbers_of_numpy_are_those_of_python():
    options = Options(
        seed=cast(Any, np.uint8(254)),
        num_samples=cast(Any, np.int16(4)),
        height=cast(Any, np.uint8(240)),
        temperature=cast(Any, np.float32(0.5)),
        cfg_scale=cast(Any, np.array([1.0, 2.0])),
        min_p=[0, 0.2],
    )
    assert (options.seed + options.num_samples, options.height) == (258, 240) and type(options.seed) is int
    assert (options.temperature, options.cfg_scale) == (0.5, (1.0, 2.0)) and type(options.temperature) is float
    assert options.min_p == (0.0, 0.2) and Options(seed=cast(Any, np.uint32(2**32 - 1))).seed == 2**32 - 1


def test_clips_that_no_memory_holds_are_refused_before_work(tiny_model):
    for asked in ({"num_frames": 10_000_000, "num_samples": 8}, {"num_samples": 100_000, "num_frames": 900}):
        with pytest.raises(RequestError, match="fewer or shorter clips"):
            tiny_model.generate("red", height=64, width=64, **asked)
    with pytest.raises(RequestError, match="megapixels"):
        tiny_model.generate("red", height=65_536, width=65_536)


def test_what_the_training_never_saw_is_said(tiny_model):
    words = ("a", "red", "blue", "seven", "two", "moves", "goes")
    domain = TrainingDomain(sizes=((16, 24),), rates=(8.0,), frames=33, words=words)
    lm = tiny_model.language_model()
    lm = replace(lm, config=replace(lm.config, prefix=64), training_domain=domain)  # the words of all these prompts fit
    model = replace(tiny_model, lm=lm)
    for prompt, asked, said in (
        ("a red seven", {}, []),
        ("please show a red seven that goes up", {}, []),
        ("", {}, []),
        ([(0, "a red seven"), (1, "a red seven")], {}, []),
        ([(0, "a red seven"), (1, "a blue two")], {}, ["never saw words change without a cut"]),
        ("dogs on a beach", {}, ["may not know 'dogs on a beach': its captions have no 'dogs', 'beach'"]),
        ([(0, "red"), (1, "a dog")], {}, ["may not know 'a dog'", "never saw words change without a cut"]),
        ("red", {"height": 24}, ["trained on clips of 24x16 alone: 24x24 may come out empty"]),
        ("a dog", {"fps": 4}, ["trained at 8 frames a second", "may not know 'a dog'"]),
    ):
        (found,) = plan(model, cast(Any, prompt), Sources(), Options(**cast(Any, asked))).choice.warnings
        assert len(found) == len(said) and all(words in each for words, each in zip(said, found, strict=True))
        if said:
            with pytest.raises(RequestError, match="may not know|was trained|never saw"):
                plan(model, cast(Any, prompt), Sources(), Options(**cast(Any, asked), strict=True))
    (found,) = plan(tiny_model, "a dog", Sources(), Options(height=24)).choice.warnings
    assert not found  # nobody knows what it saw


def test_what_the_training_never_saw_is_a_warning_and_stands_in_the_clip(tiny_model, tmp_path):
    domain = TrainingDomain(sizes=((16, 24),), words=("red",))
    model = replace(tiny_model, lm=replace(tiny_model.language_model(), training_domain=domain))
    with pytest.warns(RequestWarning, match="may not know 'a dog'"):
        clips = model.generate(["a dog", "red"], num_frames=1)
    assert len(clips[0].info["warnings"]) == 1 and "warnings" not in clips[1].info
    model.save(tmp_path / "m")
    saved = reelm.load(str(tmp_path / "m"))
    assert saved.language_model().training_domain == domain
    assert saved.info()["trained on"] == {"sizes": "24x16", "words": "red"}
    with pytest.raises(RequestError, match="sizes, rates and frames must be above 0"):
        TrainingDomain(sizes=((0, 8),))


def test_a_stream_takes_no_callback(tiny_model):
    with pytest.raises(TypeError, match=r"stream\(\) has no argument 'callback'; it yields"):
        tiny_model.stream("red", callback=print)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("guidance_scale", "cfg_scale"),
        ("num_frame", "num_frames"),
        ("last_imge", "last_image"),
        ("rng", "seed"),
        ("key", "seed"),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_one(wrong, right):
    with pytest.raises(TypeError, match=f"did you mean '{right}'"):
        read_arguments({wrong: 1})
