"""`--help`: every command has an example that parses, and every option a whole sentence and a real default."""

import inspect
import json
import re
import shlex
import subprocess
import sys
from typing import Any

import pytest

from reelm import configs
from reelm.cli.parse import COMMANDS, GROUPS, command_type, parse
from reelm.sampling.folder import shipped

SUBCOMMANDS = {
    "data": ("list", "build", "tokenize"),
    "evaluate": ("generation", "likelihood", "reconstruction", "upscaling"),
}
LINES = [f"{name} {sub}".strip() for name in COMMANDS for sub in SUBCOMMANDS.get(name, ("",))]
LINES += [f"train {stage} {name}" for name in ("demo", "natural") for stage in configs.stages(name)]


def options(line: str, capsys, monkeypatch) -> dict[str, str]:
    """Return the help text of each option and argument that `reelm LINE --help` prints."""
    monkeypatch.setenv("COLUMNS", "100")  # beyond, options stand in two columns
    with pytest.raises(SystemExit) as end:
        parse([*line.split(), "--help"])
    assert end.value.code == 0
    found: dict[str, str] = {}
    for row in capsys.readouterr().out.replace("│", " ").splitlines():  # boxes have a frame where it can be encoded
        name, _, text = row.strip().partition("  ")
        if re.match(r"  \S", row) and re.fullmatch(r"--?[a-z].*|{.*}|[A-Z|]+", name):
            found[name] = text.strip()
        elif re.match(r"   +\S", row) and found:  # goes on with the text of the option above
            found[next(reversed(found))] += f" {row.strip()}"
    return found


@pytest.mark.parametrize("line", LINES)
def test_no_option_is_mute(line, capsys, monkeypatch):
    found = options(line, capsys, monkeypatch)
    assert len(found) > 1
    for name, text in found.items():
        if name == "-h, --help":
            continue
        assert "default: None" not in text, name
        sentence = re.sub(r"\((default: .*|required|optional)\)$", "", text).strip()
        assert re.match(r"[^a-z].* .*\.$", sentence), f"{name} says {text!r}"


def test_the_overview_names_every_command(capsys):
    with pytest.raises(SystemExit):
        parse(["--help"])
    out = capsys.readouterr().out
    for group in GROUPS:
        assert group.title in out and group.example in out
    for name in COMMANDS:
        assert re.search(rf"^  {name} +[A-Z].*\.$", out, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_that_parses(name):
    example = re.search(r"Example: reelm (.*)", inspect.getdoc(command_type(name)) or "")
    assert example, f"the docstring of {name} has no line `Example: reelm {name} ...`"
    words = shlex.split(example[1])
    assert words[0] == name
    parse(words)


@pytest.mark.parametrize("stage, name", [(stage, name) for name in configs.names() for stage in configs.stages(name)])
def test_a_training_without_options_is_that_of_its_configuration(stage, name):
    command: Any = parse(["train", stage, name, "--workdir", "folder"])
    assert command.settings == configs.get(stage, name)


# Runs command lines in a process that cannot import these packages; writes their exit statuses.
WITHOUT_JAX = """
import contextlib, io, json, sys
sys.modules |= dict.fromkeys(("jax", "jaxlib", "flax", "optax", "orbax", "grain", "tensorflow_datasets"))
from reelm.cli.main import main
statuses = []
for arguments in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()):
        statuses.append(main(arguments))
json.dump(statuses, sys.stdout)
"""


def test_help_and_the_facts_of_models_need_no_jax():
    lines = ["--help", *(f"{line} --help" for line in [*LINES, "train describer demo_sound"])]
    lines += [f"info {name}" for name in shipped.names()]
    asked = json.dumps([line.split() for line in [*lines, "info"]])
    ran = subprocess.run([sys.executable, "-c", WITHOUT_JAX], input=asked, capture_output=True, text=True, check=True)
    *statuses, of_devices = json.loads(ran.stdout)
    assert not [line for line, status in zip(lines, statuses, strict=True) if status], ran.stderr
    assert of_devices == 1, "`reelm info` lists devices, so JAX could be imported after all"
