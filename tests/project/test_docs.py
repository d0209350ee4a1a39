"""The documents: commands that the program takes, links that lead somewhere."""

import functools
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
import wave
from pathlib import Path

import numpy as np
import pytest
from made.media import draw_films
from made.token_sets import of_one_code
from PIL import Image

from reelm.cli.main import main
from reelm.cli.parse import parse
from reelm.media.formats.mp4 import write_video

ROOT = Path(__file__).parents[2]
ROOMS = "media tokenizer lm sampling data evaluation train serve configs zoo integrations benchmarks tests".split()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

by_path = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def blocks(text: str) -> str:
    """The code blocks of a page, continued lines joined."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return "\n".join(block for language, block in fenced if language not in ("python", "bibtex")).replace("\\\n", " ")


def commands(text: str) -> list[list[str]]:
    """The arguments of every `reelm` command of a page: typed, started by srun, or a pod's."""
    text = blocks(text)
    pods = [json.loads(line) for line in re.findall(r"^ *command: (\[.*\])$", text, re.MULTILINE)]
    typed = re.findall(r"^(?:time |srun\b.*?[ '])?(reelm [a-z]+(?: .*?)?)'?$", text, re.MULTILINE)
    return [line[1:] for line in [*(shlex.split(line, comments=True) for line in typed), *pods]]


@by_path
def test_every_command_is_one_that_there_is(page, tmp_path, monkeypatch):
    text = page.read_text()
    monkeypatch.chdir(tmp_path)
    for name, code in re.findall(r"This `(\w+\.py)`.*?^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        Path(name).write_text(code)
    found = commands(text)
    # None is overlooked for the way it is written.
    assert len(found) == len(re.findall(r'\breelm(?:",)? "?[a-z]+\b|"reelm", "[a-z]+"', blocks(text)))
    for arguments in found:
        is_read(*arguments)


@functools.cache
def is_read(*arguments: str) -> None:
    """Parse a command once, on however many pages and in however many languages it stands."""
    parse([*arguments])


@pytest.mark.parametrize(
    "page",
    [*PAGES, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not re.match(r"https?://", target):
            path, _, anchor = target.partition("#")
            there = page.parent / path if path else page
            assert there.exists(), f"{target} is no file"
            headings = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE) if anchor else []
            assert not anchor or anchor in {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


# What a shell has, and what is a placeholder for a machine of the reader's own. `make` puts the rest on the path.
OF_A_SHELL = "cd cp echo export mkdir source curl".split()
OF_A_CLUSTER = ["srun", "scontrol", "status=$?", "exit", "["]
MADE = ["make", "python", "reelm", "pre-commit"]
# Tools with the words that say where to get them.
FETCHED = {"npm": "Node.js", "docker": "container"}


def plain_lines(text: str) -> list[str]:
    """The lines of the code blocks of a page that name no language, continued lines joined."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    joined = "\n".join(block for language, block in fenced if not language).replace("\\\n", " ")
    return [*joined.splitlines()]


def programs(text: str) -> set[str]:
    """The programs that the plain code blocks of a page start."""
    words = [line.split()[0] for line in plain_lines(text) if re.match(r"[a-z\[]+[\w-]*(=\$\?)?( |$)", line)]
    return {word for word in words if not word.endswith("/")}


@by_path
def test_no_command_needs_a_tool_that_is_not_there(page):
    text = page.read_text()
    assert "uv pip" not in text
    unknown = programs(text) - {*OF_A_SHELL, *MADE, *OF_A_CLUSTER}
    unknown -= {tool for tool, words in FETCHED.items() if words in text}
    assert not {tool for tool in unknown if shutil.which(tool) is None or tool in ("uv", "pip", *FETCHED)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for asked in re.findall(r"EXTRAS=(\"[^\"]*\"|\w+)", text):
        assert set(asked.strip('"').split()) <= set(project["optional-dependencies"]), asked


def test_an_unknown_extra_is_refused_in_a_line(tmp_path):
    asked = ["make", "-C", ROOT, "--no-print-directory", "-n", "env", "EXTRAS=cuda13,cuda99", f"VENV={tmp_path}"]
    ended = subprocess.run(asked, capture_output=True, text=True)
    assert (
        ended.returncode == 2 and ended.stderr.count("\n") == 1 and "no extra cuda99; there are: cuda13" in ended.stderr
    )


@by_path
def test_every_path_of_the_code_is_there(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for path in re.findall(rf"`((?:{'|'.join(ROOMS)}|recipes|docs|src)/[\w./]*)`", text):
        assert (ROOT / path).exists(), f"{path} is not there"


def test_every_file_that_code_names_is_there():
    code = [path for room in (*ROOMS, "src/reelm") for path in (ROOT / room).rglob("*.py")]
    names = {path.name for path in code}
    for path in code:
        for named in re.findall(r"`((?:\w+/)*\w+\.py)`", path.read_text()):
            there = any((folder / named).exists() for folder in (ROOT, path.parent)) if "/" in named else named in names
            assert there, f"{path.relative_to(ROOT)} names {named}, which is not there"


# What makes each command of the first path small enough for a test.
SMALL = {
    "build": ["--processes", "2"],
    "video-tokenizer": (
        "--data.frames 5 --data.crop 16 --batch-size 2 --loop.steps 2 --model.encoder-channels 8 "
        "--model.encoder-blocks 1 --model.decoder-channels 8 8 --model.decoder-blocks 1 --model.bits 8"
    ).split(),
    "lm": (
        "--model.bits 8 --model.text-vocabulary 280 --model.width 16 --model.layers 1 --model.heads 2 "
        "--model.kv-heads 1 --model.head-width 8 --model.hidden 16 --loop.steps 2 --loop.sample-every 0"
    ).split(),
    "generate": ["--num-frames", "1"],
}


def draw_readers_files(folder: Path) -> None:
    """The files of their own that readers of the quickstart name."""
    digit = np.zeros((64, 64, 3), np.uint8)
    digit[20:44, 28:36] = (0, 0, 255)
    hole = np.zeros_like(digit)
    hole[16:48, 16:48] = 255
    for name, picture in {"digit": digit, "first": digit, "last": np.roll(digit, -8, 0), "hole": hole}.items():
        Image.fromarray(picture).save(folder / f"{name}.png")
    moving = np.stack([np.roll(digit, t, 1) for t in range(17)])
    write_video(folder / "silent.mp4", moving, fps=8)
    write_video(folder / "film.mp4", moving, fps=8)
    with wave.open(str(folder / "voice.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((8000 * np.sin(np.arange(32_000) / 9)).astype("<i2").tobytes())


@pytest.mark.long
@pytest.mark.slow
def test_a_new_user_follows_the_first_pages(tmp_path):
    """README, quickstart and serving, line by line, in a fresh clone, on a machine without uv."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, clone], check=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    there = [each for each in os.environ["PATH"].split(":") if not (Path(each) / "uv").exists() and ".venv" not in each]
    path = ":".join([str(tmp_path / "bin"), *there])
    # `make test VENV=...` hands these on; the `make env` of the clone would fill that environment.
    ours = "VIRTUAL_ENV PYTHONPATH VENV PYTHON EXTRAS TEST_ARGS MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL".split()
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    done: set[str] = set()
    draw_readers_files(clone)
    for page in ("README.md", "docs/quickstart.md", "docs/serving.md"):
        for line in lines_of(page):
            if line in done:
                continue
            done.add(line)
            if line == "source .venv/bin/activate":
                path = f"{clone / '.venv' / 'bin'}:{path}"
                continue
            line = f"{line} PYTHON={python}" if line.startswith("make") else line
            # Gigabytes: that they would be found is enough.
            if "EXTRAS=cuda13" in line or "EXTRAS=tpu" in line:
                line = re.sub("^make", "make -n", line)
            serves = line.startswith("reelm serve")
            line = f"{line} --port 0" if serves else line
            with subprocess.Popen(
                ["bash", "-c", f"exec {line}" if serves else line],
                cwd=clone,
                env=environment | {"PATH": path, "REELM_HOME": str(tmp_path / "home")},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            ) as process:
                if serves:
                    assert process.stdout and process.stdout.readline().startswith("http://127.0.0.1:")
                    process.send_signal(signal.SIGTERM)
                _, err = process.communicate(timeout=170)
            assert process.returncode == (143 if serves else 0), f"{page}: {line}: {err}"


def lines_of(page: str) -> list[str]:
    """The commands of a page that a new user gives, once there is an environment.

    Those of tests, training, clients and other machines are left out, and the grid of 25 clips.
    """
    text = (ROOT / page).read_text()
    typed = [line.partition("  #")[0].strip() for line in plain_lines(text[max(0, text.find("## Install")) :])]
    first = re.compile(r"make|source|reelm (generate|describe|info|reconstruct|tokenize|detokenize|serve)\b")
    return [each for each in typed if first.match(each) and not re.search("make test|--keys|--grid", each)]


@pytest.mark.long
@pytest.mark.slow
def test_the_path_from_a_folder_to_a_clip(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REELM_HOME", str(tmp_path / "home"))
    draw_films(tmp_path / "films", fps=8)
    text = (ROOT / "docs" / "training.md").read_text()
    for arguments in commands(text[text.index("## On a laptop") : text.index("runs/films/look")]):
        small = next((options for word, options in SMALL.items() if word in arguments[:2]), [])
        assert main([*arguments, *small]) == 0, arguments
    assert (tmp_path / "beach.mp4").stat().st_size > 0


# Options of one process among several, and of a text encoder.
NOT_HERE = ("--coordinator", "--processes", "--process", "--heartbeat-seconds", "--text-encoder")
# Devices of the commands of clusters, by a word that only one of them has; of the others 8.
DEVICES = {"gs://bucket/runs/lm": 1, "--coordinator": 16, "/shared/runs/lm": 32}


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 8, 16, 32])
def test_the_trainings_of_clusters_begin_on_so_many_devices(devices, tmp_path, monkeypatch):
    """Each is one process here, with all devices, a tiny net and two steps."""
    pages = [(ROOT / "docs" / page).read_text() for page in ("cluster.md", "devices.md")]
    trainings = [each for page in pages for each in commands(page) if each[:2] == ["train", "lm"]]
    lines = []
    for words in trainings:
        if next((count for word, count in DEVICES.items() if word in words), 8) == devices:
            pairs = zip(["", *words], words, strict=False)
            kept = [word for before, word in pairs if word not in NOT_HERE and before not in NOT_HERE]
            kept = [re.sub("^(/|gs://bucket/)", "", word) for word in kept]
            if kept[2] != "demo":  # others need a text encoder that only readers have
                kept[2:3] = ["demo", "--batch-scale", "2"]
            lines.append(
                [*kept, *SMALL["lm"], "--model.kv-heads", "2", *([] if "--dry-run" in kept else ["--dry-run"])]
            )
    assert lines
    monkeypatch.chdir(tmp_path)
    for line in lines:
        folder = Path(line[line.index("--tokens") + 1] if "--tokens" in line else "runs/tokens")
        if not folder.exists():
            of_one_code(folder, "noise", [((f"noise {i}",), i) for i in range(50)], latent_frames=9)
    script = "import json, sys; from reelm.cli.main import main; sys.exit(max(map(main, json.loads(sys.argv[1]))))"
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    ended = subprocess.run(
        [sys.executable, "-c", script, json.dumps(lines)],
        env={**os.environ, "XLA_FLAGS": flags},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ended.returncode == 0, ended.stderr
