"""Any command line: it does what it says, or ends in one line that says why it cannot."""

import io
import re
import shutil
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made.strategies import WORDS

import reelm
from reelm.cli.main import main
from reelm.cli.parse import COMMANDS, command_type, parse
from reelm.errors import RequestError

GOOD = [
    "generate PROMPT -o out.mp4 --model tiny",
    "generate PROMPT -o out.webp --model tiny --image picture.png --num-frames 5",
    "generate -o out.gif --model tiny --video clip.mp4 --num-frames 9",
    "reconstruct clip.mp4 -o out.mp4 --model tiny",
    "tokenize clip.mp4 -o out.npz --model tiny",
    "detokenize tokens.npz -o out.mp4 --model tiny",
    "info clip.mp4",
    "info tiny",
    "export --video-tokenizer tiny --lm tiny -o new",
]
PATHS = [
    "gone.mp4",
    "",
    ".",
    "..",
    "tiny",
    "clip.mp4",
    "picture.png",
    "tokens.npz",
    "/dev/null",
    "a" * 300,
    "new\nline",
]
NUMBERS = ["1", "0", "-1", "5", "1.5", "nan", "inf", "", "0x10", "٣", "2147483648", "9" * 5000]
# Options for which a value that is merely large asks for hours of honest work, or for a machine that is not there.
SMALL = {"num_frames": ["1", "5", "9", "0", "4", "nan"], "num_samples": ["1", "2", "0"], "best_of": ["1", "2", "0"]}
SMALL |= {
    "height": ["16", "0", "15"],
    "width": ["24", "0", "23"],
    "overlap": ["0.5", "0", "nan"],
    "fps": ["8", "0", "inf"],
}
SMALL |= {
    "mesh": ["data=1", "tensor=0", "a=1"],
    "seconds": ["0.5", "0", "-1"],
    "scale": ["1", "2"],
    "fps": ["8", "0", "inf"],
}


def options(command: Any) -> Iterator[tuple[str, Any]]:
    """The options of a command with the types of their values."""
    hints = get_type_hints(command)
    for field in fields(command):
        if is_dataclass(hints[field.name]):
            yield from options(hints[field.name])
        else:
            yield field.name, hints[field.name]


def values(name: str, kind: Any) -> st.SearchStrategy[str]:
    kinds = [kind, *get_args(kind)]
    chosen = [str(choice) for each in kinds if get_origin(each) is Literal for choice in get_args(each)]
    if name in SMALL or chosen:
        return st.sampled_from(SMALL.get(name, chosen)) | WORDS
    return st.sampled_from(PATHS) if Path in kinds else st.sampled_from(NUMBERS) | WORDS


@st.composite
def changed_lines(draw: Any, line: str) -> list[str]:
    """Draw a good line with up to three words that are wrong, missing, too many or from elsewhere."""
    words = ["a red seven" if word == "PROMPT" else word for word in line.split()]
    known = dict(options(command_type(words[0])))
    for _ in range(draw(st.integers(0, 3))):
        change, at = (
            draw(st.sampled_from(["option", "option", "replace", "drop"])),
            draw(st.integers(1, len(words) - 1)),
        )
        if change == "option":
            name = draw(st.sampled_from(sorted(known)))
            words += [
                f"--{name}".replace("_", "-"),
                *([] if known[name] is bool else [draw(values(name, known[name]))]),
            ]
        elif change == "replace":
            words[at] = draw(st.sampled_from(PATHS) | WORDS)
        elif len(words) > 2:
            del words[at]
    return words


@given(st.sampled_from(sorted(COMMANDS)).flatmap(lambda name: changed_lines(f"{name} x")))
@settings(max_examples=60)
def test_any_words_are_parsed_or_refused_in_a_line(words):
    try:
        parse(words)
    except RequestError as error:
        assert str(error).strip() and "\n" not in str(error)
    except SystemExit as asked:
        assert asked.code == 0


@pytest.fixture(scope="module")
def good(tiny_model, tmp_path_factory) -> Path:
    """A folder of the files that the good lines name."""
    folder = tmp_path_factory.mktemp("good")
    tiny_model.save(folder / "tiny")
    clip = reelm.Clip(video=np.random.default_rng(0).integers(0, 255, (5, 16, 24, 3), np.uint8), fps=8.0)
    clip.save(folder / "clip.mp4")
    tiny_model.generate("a red seven", num_frames=1).save(folder / "picture.png")
    assert main(f"tokenize {folder}/clip.mp4 -o {folder}/tokens.npz --model {folder}/tiny".split()) == 0
    return folder


@pytest.mark.slow
@given(words=st.sampled_from(GOOD).flatmap(changed_lines))
@example(words=["generate", "a red seven", "-o", "out.mp4", "--model", "tiny"])
@settings(max_examples=25)
def test_any_command_line_ends_well(words, good, tmp_path_factory):
    folder = tmp_path_factory.mktemp("case")
    shutil.copytree(good, folder, dirs_exist_ok=True)
    stderr = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()), redirect_stderr(stderr):
        patch.chdir(folder)
        status = main(words)
    said = stderr.getvalue()
    refusals = [line for line in said.splitlines() if re.match("reelm: (?!warning: )", line)]
    assert status in (0, 2) and len(refusals) == (status == 2) and "Traceback" not in said, (words, said)
    for path in folder.glob("out.*"):  # it is whole, or it is not there
        if path.suffix in (".mp4", ".webp", ".gif"):
            assert len(reelm.Clip.open(path).video) >= 1, words
