"""Command lines: good ones with words that are wrong, missing, too many or from elsewhere.

The options are those of the commands' own dataclasses, so a new one is hunted from its first day on.
"""

import io
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from reelm.cli.main import main
from reelm.cli.parse import GROUPS
from reelm.errors import RequestError

from .judge import Fault, Judge
from .values import PATHS, REAL, WHOLE, WORDS

GOOD = [
    ["generate", "a red seven", "-o", "out.mp4", "--model", "tiny"],
    ["generate", "a red seven", "-o", "out.webp", "--model", "tiny", "--image", "picture.png"],
    ["generate", "-o", "out.gif", "--model", "tiny", "--video", "clip.mp4", "--num-frames", "13"],
    ["generate", "-o", "out.png", "--model", "tiny", "--prompts", "prompts.txt", "--num-frames", "1"],
    ["generate", "-o", "out.mp4", "--model", "tiny", "--audio", "sound.wav"],
    ["describe", "clip.mp4", "--model", "tiny"],
    ["reconstruct", "clip.mkv", "-o", "out.mp4", "--model", "tiny"],
    ["reconstruct", "clip.gif", "-o", "out.webp", "--model", "tiny"],
    ["tokenize", "clip.mp4", "-o", "out.npz", "--model", "tiny"],
    ["detokenize", "tokens.npz", "-o", "out.mp4", "--model", "tiny"],
    ["info", "clip.mp4"],
    ["info", "tiny"],
    ["info", "demo"],
    ["data", "list"],
    ["data", "build", "films", "--name", "films", "--data-dir", "sets", "--resolution", "32", "--lengths", "1", "5"],
    ["data", "tokenize", "sets/films", "--video-tokenizer", "tiny", "-o", "new-tokens", "--num-clips", "2"],
    ["export", "--video-tokenizer", "tiny", "--audio-tokenizer", "tiny", "--lm", "tiny", "-o", "new"],
    # These end at something that is not there: what comes before is what they are here for.
    ["train", "video-tokenizer", "demo", "--workdir", "run", "--data.dataset", "gone"],
    ["train", "audio-tokenizer", "demo", "--workdir", "run", "--data.dataset", "gone"],
    ["train", "lm", "demo", "--workdir", "run", "--tokens", "gone"],
    ["evaluate", "reconstruction", "--model", "gone", "--data", "sets/films"],
    ["evaluate", "generation", "--model", "gone", "--clips", "1"],
    ["serve", "--model", "gone", "--port", "0"],
]
# Options for which a value that is merely large asks for hours of honest work.
_SMALL = {
    "num_frames": ["1", "5", "9", "17", "0", "-1", "4", "2147483648", "nan", ""],
    "height": ["16", "8", "24", "0", "-8", "15", "70000", "1e2", "9223372036854775808"],
    "width": ["24", "16", "0", "-8", "23", "70000", "9223372036854775808"],
    "num_samples": ["1", "2", "0", "-1", "100001", "9223372036854775808"],
    "best_of": ["1", "2", "0", "-1", "1001"],
    "fps": ["8", "8.0", "4", "0", "-1", "nan", "inf", "1e-300", "1e300", "1001"],
    "num_clips": ["2", "0", "-1", "9223372036854775808"],
    "overlap": ["0.5", "1", "0", "-1", "nan", "inf", "3601"],
    "processes": ["1", "0", "-1", "a"],
    "stall_seconds": ["20", "0", "-1", "nan", "inf"],
    "batch_size": ["2", "0", "-1"],
    "resolution": ["32", "0", "-1", "31", "9223372036854775808"],
    "mesh": ["data=1", "tensor=2", "tensor=0", "a=1", "tensor=9999999999", "tensor", ""],
}
_NEVER = {"ray", "database", "coordinator"}  # they wait for a machine that is not there
_AS_THEY_ARE = {"serve": {"model"}, "evaluate": {"model"}, "train": {"dataset", "tokens", "workdir"}}


def options(command: Any, words: list[str]) -> dict[str, Any]:
    """Return the names of a command's options with the types of their values."""
    for word in words:
        chosen = {each.name: get_args(part)[0] for part, each in _subcommands(command) if each.name == word}
        if word in chosen:
            return options(chosen[word], [])
    found: dict[str, Any] = {}
    for field in fields(command):
        kind = get_type_hints(command, include_extras=False)[field.name]
        inner = field.default if is_dataclass(field.default) else None
        if inner is not None:
            found |= options(type(inner), [])
        elif field.name not in _NEVER:
            found[field.name] = kind
    return found


def _subcommands(command: Any) -> Iterator[tuple[Any, Any]]:
    annotation = get_type_hints(command, include_extras=True).get("what")
    for part in get_args(annotation):
        for marker in getattr(part, "__metadata__", ()):
            if isinstance(getattr(marker, "name", None), str):
                yield part, marker


_COMMANDS = {name: command for group in GROUPS for name, command in group.commands.items()}


def _value(name: str, kind: Any) -> st.SearchStrategy[str]:
    if name in _SMALL:
        return st.sampled_from(_SMALL[name])
    kinds = [kind, *get_args(kind)]
    if choices := [str(choice) for each in kinds if get_origin(each) is Literal for choice in get_args(each)]:
        return st.sampled_from(choices) | WORDS
    if Path in kinds:
        return PATHS
    if int in kinds:
        return WHOLE
    if float in kinds:
        return REAL
    return WORDS | PATHS


def _train_options(words: list[str]) -> dict[str, Any]:
    """Return the dotted names of a configuration's fields."""
    from reelm import configs

    found: dict[str, Any] = {}

    def collect(config: Any, prefix: str) -> None:
        for field in fields(config):
            value = getattr(config, field.name)
            if is_dataclass(value):
                collect(value, f"{prefix}{field.name}.")
            else:
                found[f"{prefix}{field.name}"] = get_type_hints(type(config)).get(field.name, str)

    collect(configs.get(words[1], words[2]), "")  # type: ignore[arg-type]
    return found


@st.composite
def command_lines(draw: Any) -> list[str]:
    """Draw a good command line with up to three changes; what would begin hours of honest work is left alone."""
    words = list(draw(st.sampled_from(GOOD)))
    known = _train_options(words) if words[0] == "train" else options(_COMMANDS[words[0]], words[1:2])
    stays = _AS_THEY_ARE.get(words[0], set())
    known = {name: kind for name, kind in known.items() if name.rpartition(".")[2] not in stays}
    for _ in range(draw(st.integers(0, 3))):
        change = draw(st.sampled_from(["option", "option", "option", "replace", "drop", "repeat", "add"]))
        at = draw(st.integers(1, max(1, len(words) - 1)))
        if change == "option" and known:
            name = draw(st.sampled_from(sorted(known)))
            flag = f"--{name}".replace("_", "-")
            words += [flag] if known[name] is bool else [flag, draw(_value(name.rpartition(".")[2], known[name]))]
        elif change == "replace" and at < len(words) and not stays:
            words[at] = draw(PATHS | WORDS)
        elif change == "drop" and at < len(words) and not stays:
            del words[at]
        elif change == "repeat" and at < len(words) and not stays:
            words.insert(at, words[at])
        elif change == "add":
            words.append(draw(WORDS))
    return words


def attempt(judge: Judge, words: list[str]) -> None:
    """Run a command line in this process; Fault."""
    about = shlex.join(["reelm", *words]).replace("\x1b", "$'\\x1b'")
    before = {path: path.read_bytes() for path in Path().glob("out.*")}
    out, err = io.StringIO(), io.StringIO()

    def run() -> None:
        with redirect_stdout(out), redirect_stderr(err):
            status = main(words)
        # What a program reads is a path as it was given; a terminal would see it spelled out.
        _check(status, "" if "\x1b" in "".join(words) else out.getvalue(), err.getvalue())
        for path in Path().glob("out.*"):
            if path.is_file() and (status == 0 or path.read_bytes() != before.get(path)):
                _check_whole(path, status)

    judge.check(about, run)


def _check(status: int, out: str, err: str) -> None:
    if status not in (0, 2):
        raise Fault(f"status {status}: {err.strip()[-300:]}", where=re.sub(r"\W.*", "", err.partition("error: ")[2]))
    if "Traceback" in err or "\x1b" in out or "\x1b" in err.replace("\x1b[K", ""):
        raise Fault(f"on the terminal: {(out + err)[-300:]!r}")
    lines = [line for line in err.splitlines() if re.match("reelm: (?!warning: )", line)]
    if status == 2 and len(lines) != 1:
        raise Fault(f"status 2 with {len(lines)} lines that say why: {err[-300:]!r}")


def _check_whole(path: Path, status: int) -> None:
    from reelm import Clip
    from reelm.media.formats.token_file import read_token_file

    try:
        read_token_file(path) if path.suffix == ".npz" else Clip.open(path)
    except RequestError as error:
        raise Fault(f"status {status}, and {path} is not whole: {error}") from error
