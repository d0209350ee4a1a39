"""Arguments to a command object: tyro over the commands' dataclasses, with errors of one line.

Comes in: the words after `reelm`. Goes out: a `Command`, ready to run; RequestError; or SystemExit(0) after `--help`.

Errors come through tyro's hook `tyro._errors.on_parse_error`. That module is private, so pyproject.toml pins the minor
version of tyro. An event that a later tyro adds ends as the text that tyro prints, on one line.
"""

import contextlib
import difflib
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from functools import reduce
from operator import or_
from typing import Annotated, Any, NamedTuple, Protocol, cast, get_args, get_type_hints

import tyro
from tyro import _errors as events
from tyro.conf import subcommand

from reelm.errors import RequestError, reason
from reelm.sampling.options import OTHER_NAMES

from .commands.convert import Convert
from .commands.data import Data
from .commands.describe import Describe
from .commands.evaluate.command import Evaluate
from .commands.export import Export
from .commands.generate import Generate
from .commands.info import Info
from .commands.play import Play
from .commands.serve import Serve
from .commands.tokenizer import Detokenize, Reconstruct, Tokenize
from .commands.train import Train, is_configured, train_arguments, with_mesh_fields
from .commands.upscale import Upscale
from .help import Group, optional_fields, overview


class Command(Protocol):
    """What every command is: a frozen dataclass of its arguments that can be run."""

    def run(self) -> None:
        """Do the work; RequestError when the arguments cannot be met."""


GROUPS = (
    Group(
        "Make clips",
        {"generate": Generate, "upscale": Upscale, "describe": Describe},
        'reelm generate "a red seven moves right" -o seven.mp4',
    ),
    Group(
        "Serve clips",
        {"serve": Serve, "play": Play},
        "reelm serve",
    ),
    Group(
        "Code clips",
        {"reconstruct": Reconstruct, "tokenize": Tokenize, "detokenize": Detokenize},
        "reelm reconstruct film.mp4 -o rebuilt.mp4",
    ),
    Group(
        "Train",
        {"data": Data, "train": Train, "export": Export, "convert": Convert},
        "reelm train lm demo --workdir runs/lm",
    ),
    Group(
        "Measure",
        {"evaluate": Evaluate, "info": Info},
        "reelm evaluate generation --model demo",
    ),
)
_COMMANDS = {name: command for group in GROUPS for name, command in group.commands.items()}

_MARKERS = (
    tyro.conf.OmitArgPrefixes,
    tyro.conf.OmitSubcommandPrefixes,
    tyro.conf.DisallowNone,
    tyro.conf.FlagCreatePairsOff,
)

# tyro's wording of values that have the wrong type.
_WORDINGS = (
    (r"no type matching \{?\[?(\w+).*? could be instantiated from \['(.*?)'.*?\]", r"'\2' is no \1"),
    (r"invalid literal for int\(\) with base 10: ('.*?')", r"\1 is no INT"),
    (r"could not convert string to float: ('.*?')", r"\1 is no FLOAT"),
    (r"Could not find valid parse for arguments: (\[.*?\])", r"\1 does not fit"),
    (r"'None', |, 'None'", ""),
    (r"\.?\s+Got errors:.*", ""),
)


def parse(arguments: Sequence[str]) -> Command:
    """Return the command that the arguments ask for; RequestError when they are wrong.

    Raises:
        SystemExit: status 0, after help was printed.
    """
    arguments = list(arguments)
    if arguments in (["-h"], ["--help"]):
        print(overview(GROUPS))
        raise SystemExit(0)
    if arguments and arguments[0] not in _COMMANDS and not arguments[0].startswith("-"):
        near = difflib.get_close_matches(arguments[0], _COMMANDS, n=1)
        known = f"perhaps {near[0]}" if near else f"known are {', '.join(_COMMANDS)}"
        raise RequestError(f"there is no command {arguments[0]}; {known}")
    if is_configured(arguments):
        # The fields that can be set are known once the configuration is.
        described = train_arguments(arguments)
        asked = _Asked(" ".join(["reelm", *arguments[:3]]), with_mesh_fields(arguments[3:]), get_args(described)[0])
        return _parse(described, asked)
    command = _COMMANDS.get(arguments[0]) if arguments else None
    commands = reduce(or_, (Annotated[each, subcommand(name)] for name, each in _COMMANDS.items()))
    return _parse(commands, _Asked("reelm", arguments, command), config=_MARKERS)


class _Asked(NamedTuple):
    """A command line: the words that lead to a command, those after them, and the dataclass of the command."""

    prog: str
    arguments: list[str]
    command: type | None

    @property
    def help(self) -> str:
        """The command line that prints the help of this command."""
        words = list(itertools.takewhile(lambda word: not word.startswith("-"), self.arguments[:2]))
        depth = 0 if self.command is None or self.prog != "reelm" else 1
        if depth and len(words) > 1 and words[1] in _subcommands(self.command):
            depth = 2
        return " ".join([self.prog, *words[:depth], "--help"])


def _parse(commands: Any, asked: _Asked, **settings: Any) -> Command:
    printed = io.StringIO()
    settings |= {"args": asked.arguments, "prog": asked.prog, "registry": optional_fields}
    try:
        with contextlib.redirect_stderr(printed), events.on_parse_error(lambda event: _refuse(event, asked)):
            return cast(Command, tyro.cli(commands, **settings))
    except SystemExit as end:
        if end.code != 2:  # help was asked for
            raise
        raise RequestError(" ".join(re.sub(r"[─-╿]", " ", printed.getvalue()).split())) from None
    except ValueError as error:  # a config's own refusal of its values
        raise RequestError(reason(error)) from error


def _refuse(event: events.ParseErrorEvent, asked: _Asked) -> None:
    """Raise RequestError for a kind of event that is known here."""
    match event:
        case events.MissingArgs():
            arguments = [missing.arg for missing in event.missing_arguments]
            names = [each.lowered.metavar if each.is_positional() else each.display_name() for each in arguments]
            raise RequestError(f"missing: {', '.join(map(str, names))}; see {asked.help}")
        case events.MissingSubcommand():
            raise RequestError(f"name a command: {', '.join(event.subcommand_spec.parser_from_name)}; see {asked.help}")
        case events.UnrecognizedArgs():
            raise RequestError(f"{_unknown(event.tokens, asked)}; see {asked.help}")
        case events.InvalidChoice():
            choices = ", ".join(sorted({*event.choices} - {"None"}))
            raise RequestError(f"{event.argument.display_name()} is {event.value!r}; choose one of {choices}")
        case events.BadValue() if event.offending_value is None:
            raise RequestError(f"{event.argument.display_name()} needs a value; see {asked.help}")
        case events.InstantiationFailure():
            text = event.message
            for pattern, wording in _WORDINGS:
                text = re.sub(pattern, wording, text, flags=re.DOTALL)
            name = "" if event.argument is None else event.argument.display_name()
            raise RequestError(" ".join(f"{'' if name in text else f'{name}: '}{text}".split()).rstrip("."))


def _unknown(tokens: Sequence[str], asked: _Asked) -> str:
    """Return what is wrong with words that no option and no argument takes."""
    flags = [token for token in tokens if token.startswith("-")]
    if not flags:
        return f"{' '.join(tokens)} is too much; put words in quotes"
    flag = flags[0].partition("=")[0].replace("_", "-")
    known = sorted(set(_options(asked.command))) if asked.command else []
    if (other := f"--{OTHER_NAMES.get(flag[2:].replace('-', '_'), '')}".replace("_", "-")) in known:
        return f"there is no option {flag}; the name is {other}"
    near = [name for name in known if name.endswith(f".{flag.lstrip('-')}")]
    near += [name for name in known if _short(name) == flag]
    near += difflib.get_close_matches(flag, known, n=2)
    return f"there is no option {flag}" + (f"; perhaps {' or '.join(dict.fromkeys(near))}" if near else "")


def _short(option: str) -> str:
    """Return an option with the initials of its last part alone, as people shorten `--optimizer.learning-rate`."""
    group, _, last = option[2:].rpartition(".")
    words = last.split("-")
    return "" if len(words) == 1 else f"--{group}{'.' if group else ''}{''.join(word[:1] for word in words)}"


def _options(command: Any, prefix: str = "--") -> Iterator[str]:
    """Yield the options of a dataclass: those of its subcommands, too, and the fields of a configuration by dots."""
    for field in fields(command):
        value = getattr(command, field.name, field.default)
        if is_dataclass(value):
            inside = prefix if field.name in ("cluster", "sampling", "settings") else f"{prefix}{field.name}."
            yield from _options(value, inside)
        else:
            yield f"{prefix}{field.name}".replace("_", "-")
    for each in _subcommands(command).values() if isinstance(command, type) else ():
        yield from _options(each, prefix)


def _subcommands(command: Any) -> dict[str, type]:
    """Return the subcommands of a command by name: those in the annotation of its field `what`."""
    annotation = get_type_hints(command, include_extras=True).get("what")
    return {
        marker.name: get_args(each)[0]
        for each in get_args(annotation)
        for marker in getattr(each, "__metadata__", ())
        if isinstance(getattr(marker, "name", None), str)
    }
