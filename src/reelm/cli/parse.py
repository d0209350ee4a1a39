"""Parse arguments into a command object: tyro over the commands' dataclasses, with errors of one line.

In: the words after `reelm`. Out: a `Command`, ready to run; RequestError; or SystemExit(0) after `--help`. Only the
command that is asked for is imported.

Errors come through tyro's hook `tyro._errors.on_parse_error`. That module is private, so pyproject.toml pins the minor
version of tyro. For an event that a later tyro adds, the message is the text that tyro prints, on one line.
"""

import contextlib
import difflib
import io
import pkgutil
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple, Protocol, cast, get_args, get_type_hints

import tyro
from tyro import _errors as events

from reelm.errors import RequestError, reason
from reelm.guesses import ELSEWHERE, OF_CLIPS, OF_TRAINING, absent, right_name
from reelm.lm.mesh import MeshSpec

from .help import Group, optional_fields, overview


class Command(Protocol):
    """A command: a frozen dataclass of its arguments that can be run."""

    def run(self) -> None:
        """Do the work; RequestError when the arguments cannot be met."""


GROUPS = (
    Group(
        "Make clips",
        ("generate", "upscale", "describe"),
        'reelm generate "a red seven moves right" -o seven.mp4',
    ),
    Group(
        "Serve clips",
        ("serve", "play"),
        "reelm serve",
    ),
    Group(
        "Code clips",
        ("reconstruct", "tokenize", "detokenize"),
        "reelm reconstruct film.mp4 -o rebuilt.mp4",
    ),
    Group(
        "Train",
        ("data", "train", "export", "convert"),
        "reelm train lm demo --workdir runs/lm",
    ),
    Group(
        "Measure",
        ("evaluate", "info"),
        "reelm evaluate generation --model demo",
    ),
)
COMMANDS = tuple(name for group in GROUPS for name in group.commands)
# Modules of commands that do not have the name of their command.
_MODULES = {"evaluate": "evaluate.command", **dict.fromkeys(("reconstruct", "tokenize", "detokenize"), "tokenizer")}

_MARKERS = (
    tyro.conf.OmitArgPrefixes,
    tyro.conf.OmitSubcommandPrefixes,
    tyro.conf.DisallowNone,
    tyro.conf.FlagCreatePairsOff,
)

_USUAL_FPS = 8  # of clips that most models make

# tyro's wording of values that have the wrong type.
_WORDINGS = (
    (r"no type matching \{?\[?(\w+).*? could be instantiated from \['(.*?)'.*?\]", r"'\2' is not of type \1"),
    (r"invalid literal for int\(\) with base 10: ('.*?')", r"\1 is not an INT"),
    (r"could not convert string to float: ('.*?')", r"\1 is not a FLOAT"),
    (r"Could not find valid parse for arguments: (\[.*?\])", r"\1 does not fit"),
    (r"'None', |, 'None'", ""),
    (r"\.?\s+Got errors:.*", ""),
)


def command_type(name: str) -> type:
    """Return the dataclass of a command."""
    return pkgutil.resolve_name(f"reelm.cli.commands.{_MODULES.get(name, name)}:{name.title()}")


def parse(arguments: Sequence[str]) -> Command:
    """Return the command that the arguments ask for; RequestError when they are wrong.

    Raises:
        SystemExit: status 0, after help was printed.
    """
    name, *rest = arguments or [""]
    if name in ("-h", "--help"):
        print(overview({group: [command_type(each) for each in group.commands] for group in GROUPS}))
        raise SystemExit(0)
    if not name:
        raise RequestError(f"name a command: {', '.join(COMMANDS)}; see reelm --help")
    if name.startswith("-"):
        raise RequestError(f"there is no option {name}; see reelm --help")
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        known = f"perhaps {near[0]}" if near else f"known are {', '.join(COMMANDS)}"
        raise RequestError(f"there is no command {name}; {known}")
    if name == "train":
        from .commands.train import is_configured, train_arguments

        if is_configured(rest):
            # The fields that can be set are known once the configuration is.
            described = train_arguments(*rest[:2])
            asked = _Asked(" ".join(["reelm", name, *rest[:2]]), rest[2:], get_args(described)[0])
            return _parse(described, asked)
    asked = _Asked(f"reelm {name}", rest, command_type(name))
    return _parse(asked.command, asked, config=_MARKERS)


class _Asked(NamedTuple):
    """A command line: the words that name a command, its arguments, and the dataclass of the command."""

    prog: str
    arguments: list[str]
    command: type

    @property
    def help(self) -> str:
        """The command line that prints the help of this command."""
        named = [word for word in self.arguments[:1] if word in _subcommands(self.command)]
        return " ".join([self.prog, *named, "--help"])


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
    """Raise RequestError for an event of a known kind."""
    match event:
        case events.MissingArgs():
            if mistaken := _mistaken(asked):  # perhaps what is missing, by another name
                raise RequestError(f"{_unknown(mistaken, asked)}; see {asked.help}")
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


def _mistaken(asked: _Asked) -> list[str]:
    """Return the long options that the command does not have, with what follows them."""
    known = {*_options(asked.command), "--help"}
    written = [word.partition("=")[0].replace("_", "-") for word in asked.arguments]
    first = next((at for at, word in enumerate(written) if word.startswith("--") and word not in known), None)
    return [] if first is None else asked.arguments[first : first + 2]


def _unknown(tokens: Sequence[str], asked: _Asked) -> str:
    """Return what is wrong with words that are not an option or an argument."""
    flags = [token for token in tokens if token.startswith("-")]
    if not flags:
        return f"{' '.join(tokens)} is too much; put words in quotes"
    flag = flags[0].partition("=")[0].replace("_", "-")
    known, name = sorted(set(_options(asked.command))), flag.lstrip("-")
    draws = "--cfg-scale" in known
    if draws and name in ("prompt", "text", "words"):
        return (
            f'there is no option {flag}; the words stand by themselves, as in: {asked.prog} "a red seven moves right"'
        )
    guesses = OF_CLIPS if draws else OF_TRAINING if "--workdir" in known else ELSEWHERE
    if draws and (seconds := _frames_of(flag, tokens)):
        return f"there is no option {flag}; the name is --num-frames{seconds}"
    if (instead := absent(name, guesses)) is not None:
        return f"there is no option {flag}; {instead}"
    if flag.startswith("--mesh."):
        size = " ".join(tokens).replace("=", " ").split()[1:2] or ["N"]
        return f"there is no option {flag}; write --mesh {flag.removeprefix('--mesh.')}={size[0]}"
    near = [each for each in known if each.endswith(f".{name}") or _short(each) == flag]
    if not near and (right := right_name(name, [each[2:] for each in known], guesses)) is not None:
        return f"there is no option {flag}; the name is --{right}"
    return f"there is no option {flag}" + (f"; perhaps {' or '.join(near)}" if near else "")


def _frames_of(flag: str, tokens: Sequence[str]) -> str:
    """Return how many frames the seconds of an option such as `--seconds 60` are; "" for another option."""
    text = re.search(r"(?:=| )(\d+(?:\.\d+)?)$", " ".join(tokens))
    if flag not in ("--seconds", "--duration", "--length") or text is None or not 0 < (seconds := float(text[1])) < 1e6:
        return ""
    return f", such as {1 + round(seconds * _USUAL_FPS)} for {text[1]} seconds at {_USUAL_FPS} frames a second"


def _short(option: str) -> str:
    """Return an option with only the initials of its last part: people shorten `--optimizer.learning-rate` so."""
    group, _, last = option[2:].rpartition(".")
    words = last.split("-")
    return "" if len(words) == 1 else f"--{group}{'.' if group else ''}{''.join(word[:1] for word in words)}"


def _options(command: Any, prefix: str = "--") -> Iterator[str]:
    """Yield the options of a dataclass and of its subcommands; fields of a configuration have dotted names."""
    for field in fields(command):
        value = getattr(command, field.name, field.default)
        if is_dataclass(value) and not isinstance(value, MeshSpec):
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
