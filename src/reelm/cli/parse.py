"""Arguments to a command object: tyro over the commands' dataclasses, its errors brought down to one line.

Comes in: the words after `reelm`. Goes out: a `Command`, ready to run; RequestError; or SystemExit(0) after `--help`.
"""

import contextlib
import io
import os
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Protocol, cast

import tyro
from tyro.conf import subcommand

from reelm.errors import RequestError

from .data import Data
from .describe import Describe
from .evaluate import Evaluate
from .export import Export
from .generate import Generate
from .info import Info
from .tokenizer import Detokenize, Reconstruct, Tokenize
from .train import Train, is_configured, train_arguments, with_mesh_fields


class Command(Protocol):
    """What every command is: a frozen dataclass of its arguments that can be run."""

    def run(self) -> None:
        """Does the work; RequestError when the arguments cannot be met."""


_DESCRIPTION = """Words to video. `reelm COMMAND --help` explains a command; `--debug`, anywhere, shows the traceback
of an error; `reelm --version` shows the version."""

_COMMANDS = (
    Annotated[Generate, subcommand("generate")]
    | Annotated[Describe, subcommand("describe")]
    | Annotated[Reconstruct, subcommand("reconstruct")]
    | Annotated[Tokenize, subcommand("tokenize")]
    | Annotated[Detokenize, subcommand("detokenize")]
    | Annotated[Train, subcommand("train")]
    | Annotated[Export, subcommand("export")]
    | Annotated[Evaluate, subcommand("evaluate")]
    | Annotated[Data, subcommand("data")]
    | Annotated[Info, subcommand("info")]
)

_MARKERS = (
    tyro.conf.OmitArgPrefixes,
    tyro.conf.OmitSubcommandPrefixes,
    tyro.conf.DisallowNone,
    tyro.conf.FlagCreatePairsOff,
)

# Names that other programs use. tyro suggests flags that are spelt alike; these are not.
_RIGHT_NAME = {
    "--guidance-scale": "--cfg-scale",
    "--guidance": "--cfg-scale",
    "--cfg": "--cfg-scale",
    "--num-videos": "--num-samples",
    "--num-videos-per-prompt": "--num-samples",
    "--batch-size": "--num-samples",
    "--frames": "--num-frames",
    "--length": "--num-frames",
    "--video-length": "--num-frames",
    "--output-path": "--output",
    "--output-file": "--output",
    "--prompt-file": "--prompts",
    "--negative": "--negative-prompt",
    "--checkpoint": "--model",
    "--ckpt": "--model",
}

# tyro's wording where it speaks of Python's types.
_WORDINGS = (
    (r"no type matching (\S+) could be instantiated from \['(.*?)'\]", r"'\2' is no \1"),
    (r"invalid literal for int\(\) with base 10: ('.*?')", r"\1 is no INT"),
    (r"could not convert string to float: ('.*?')", r"\1 is no FLOAT"),
    (r"Could not find valid parse for arguments: (\[.*?\])", r"\1 does not fit"),
    (r"'None', |, 'None'", ""),
    (r"Available subcommands: ", "known are "),
)


def parse(arguments: Sequence[str]) -> Command:
    """The command that the arguments ask for."""
    arguments = list(arguments)
    if is_configured(arguments):
        # The fields that can be set are known once the configuration is.
        described = train_arguments(arguments)
        return _parse(described, with_mesh_fields(arguments[3:]), prog=" ".join(["reelm", *arguments[:3]]))
    if arguments and arguments[0] == "generate":
        for argument in arguments:
            flag = argument.partition("=")[0].replace("_", "-")
            if flag in _RIGHT_NAME:
                raise RequestError(f"there is no {flag}; the name is {_RIGHT_NAME[flag]}")
    return _parse(_COMMANDS, arguments, prog="reelm", description=_DESCRIPTION, config=_MARKERS)


def _parse(commands: Any, arguments: list[str], **settings: Any) -> Command:
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed), _wide(arguments):
            return cast(Command, tyro.cli(commands, args=arguments, **settings))
    except SystemExit as end:
        if end.code != 2:  # help was asked for
            raise
        raise RequestError(one_line(printed.getvalue())) from None
    except ValueError as error:  # a config's own refusal of its values
        raise RequestError(" ".join(str(error).split())) from error


@contextlib.contextmanager
def _wide(arguments: list[str]) -> Iterator[None]:
    """Keeps tyro from wrapping its errors; help is laid out for the terminal as ever."""
    if {"-h", "--help"}.intersection(arguments):
        yield
        return
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "10000"
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


def one_line(box: str) -> str:
    """The message of a box that tyro printed, on one line and without the help texts that the box repeats.

    A box holds paragraphs between rules; what is set in by four spaces in them names an argument, by eight explains it.
    """
    rows = [row[2:-2].rstrip() for row in box.splitlines() if row.startswith("│")]
    paragraphs = "\n".join(row for row in rows if not row.startswith(" " * 8)).split("─")
    sentences = []
    for paragraph in (" ".join(paragraph.split()) for paragraph in paragraphs):
        if paragraph.startswith("Perhaps you meant: "):
            sentences.append("perhaps " + " or ".join(dict.fromkeys(re.findall(r"--[\w.-]+", paragraph))))
        elif paragraph.startswith("For full helptext"):
            sentences.append(re.sub(r"For full helptext, (see|run):? ", "see ", paragraph))
        elif paragraph and not paragraph.startswith("Argument helptext"):
            sentences.append(paragraph.partition(" Got errors:")[0].rstrip("."))
    text = "; ".join(sentences) or " ".join(box.split())
    for pattern, wording in _WORDINGS:
        text = re.sub(pattern, wording, text)
    return text
