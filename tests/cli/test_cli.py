"""The command line: statuses, one line an error, nothing slow before the arguments are known to be good."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import reelm
from reelm.cli.main import main
from reelm.cli.printable import print_path
from reelm.errors import RequestError

# Command line -> a word of the right answer. Each is refused with status 2 before anything slow is imported.
REFUSED = {
    "": "generate",
    "genrate x": "generate",
    "generate": "--output",
    "generate x": "--output",
    "generate -o y.mp4": "say what to show",
    "generate a red seven -o y.mp4": "quotes",
    "generate x -o y.mp4 --num-frames many": "--num-frames",
    "generate x -o y.mp4 --num-framse 9": "--num-frames",
    "generate x -o y.mp4 --guidance-scale 3": "--cfg-scale",
    "generate x -o y.mp4 --guidance_scale=3": "--cfg-scale",
    "generate x -o y.mp4 --seconds 60": "--num-frames, such as 481 for 60 seconds at 8 frames a second",
    "generate x -o y.mp4 --duration=1.2.3": "num_frames counts frames: 1 + seconds x fps",
    "generate x -o y.mp4 --device cuda": "JAX_PLATFORMS=cpu in the environment forbids that",
    "generate x -o y.mp4 --torch-dtype float16": "the name is --dtype; see",
    "serve --device cuda": "JAX_PLATFORMS=cpu in the environment forbids that",
    "train lm demo --workdir w --steps 9": "--loop.steps",
    "train lm demo --workdir w --epochs 9": "a training counts steps: --loop.steps N",
    "train lm demo --workdir w --lr 1": "the name is --optimizer.learning-rate; see",
    "train lm demo --workdir w --data gs://films": "the name is --tokens; see",
    "train video-tokenizer demo --workdir w --data gs://films": "the name is --data.dataset; see",
    "train lm demo --workdir w --device cuda": "JAX_PLATFORMS=cpu in the environment forbids that",
    "train lm demo --workdir w --gpus 8": "the name is --mesh; see",
    "train lm demo --workdir w --resume": "the same command with the same --workdir continues",
    "train lm demo --output-dir w": "the name is --workdir; see",
    "train lm demo --workdir w --batch-size 8": "the name is --batch-scale; see",
    "train lm demo --workdir w --gradient-checkpointing": "the name is --remat; see",
    "generate x -o y.mp4 --length 4": "--num-frames, such as 33 for 4 seconds at 8 frames a second",
    "generate x -o y.mp4 --frames 33": "the name is --num-frames; see",
    "generate x -o y.mp4 --prompt y": "the words stand by themselves, as in: reelm generate",
    "generate x --out y.mp4": "the name is --output; see",
    "generate x -o y.mp4 --steps 50": "codes are drawn one after another, without steps",
    "generate x -o y.mp4 --cfg 3": "the name is --cfg-scale; see",
    "generate x -o y.mp4 --neg-prompt y": "the name is --negative-prompt; see",
    "generate x -o y.mp4 --size 64x64": "give height and width, in pixels",
    "generate x -o y.mp4 --fps-out 24": "the name is --fps; see",
    "generate x -o y.mp4 -n 4": "the name is --num-samples; see",
    "generate x -o y.mp4 --music y.wav": "the name is --audio; see",
    "generate x -o y.mp4 --end-frame y.png": "the name is --last-image; see",
    "generate x -o y.mp4 --speed 2": "fps says how many frames are shown in a second",
    "generate x -o y.mp4 --quality 5": "there is no option --quality; see",
    "generate x -o y.mp4 --num-frames 0": "1 or more",
    "generate x -o y.mp4 --num-samples 0": "1 or more",
    "generate x -o y.mp4 --temperature -1": "0 or more",
    "generate x -o y.mp4 --temperature nan": "0 or more",
    "generate x -o y.mp4 --top-p 0": "above 0",
    "generate x -o y.mp4 --top-k -1": "0 or more",
    "generate x -o y.mp4 --height 0": "1 or more",
    "generate x -o y.mp4 --fps 0": "0.01 or more",
    "generate x -o y.mp4 --fps 1e-300": "0.01 or more",
    "generate x -o y.mp4 --height 9223372036854775808": "at most",
    "generate x -o y.mp4 --top-k 9223372036854775808": "at most",
    "generate x -o y.mp4 --overlap nan": "0 or more",
    "generate x -o y.mp4 --num-frames 9223372036854775808": "at most",
    "generate x -o y.mp4 --num-samples 300000000": "at most",
    "generate x -o kept.mp4": "read-only",
    "generate x -o full.mp4": "not a regular file",
    "generate x -o several.mp4 --num-samples 2": "several-1.mp4': it is a folder",
    f"generate x -o {'y' * 252}.mp4": "too long",
    f"generate x -o {'y' * 250}.mp4 --num-samples 2": "too long",
    f"generate x -o y.mp4 --image {'y' * 300}": "too long",
    f"generate x -o y.mp4 --model {'y' * 300}": "too long",
    "generate x -o y.mp4 --num-samples 2 --output=": "cannot write",
    "info demo --memory 1e308": "at most",
    "generate x -o y.mp4 --dtype float8": "bfloat16",
    "generate x -o y.mp4 --model nobody": "nobody",
    "generate x -o y.mp4 --model .": "model.json",
    "generate x -o y.txt": ".mp4",
    "generate x -o folder.mp4": "folder",
    "generate x -o nowhere/y.mp4": "nowhere",
    "generate x -o y.mp4 --prompts lines.txt": "not both",
    "generate x -o y.mp4 --cfg-scale -1 2": "0 or more",
    "generate x -o y.mp4 --image nowhere.png": "nowhere.png",
    "generate x -o y.mp4 --resume --grid": "does not go with --grid",
    "generate x -o y.mp4 --decoding fast": "sequential",
    "generate -o y.mp4 --prompts nothing.txt": "nothing.txt",
    "generate -o y.mp4 --prompts empty.txt": "empty.txt",
    "generate -o y.mp4 --prompts binary.txt": "UTF-8",
    "reconstruct nothing.mp4 -o y.mp4": "nothing.mp4",
    "describe nothing.mp4": "nothing.mp4",
    "reconstruct folder.mp4 -o y.mp4": "folder.mp4",
    "tokenize nothing.mp4 -o y.npz": "nothing.mp4",
    "upscale nothing.mp4 -o y.mp4": "nothing.mp4",
    "upscale lines.txt -o y.mp4 --scale 3": "2 or 4",
    "generate x -o y.mp4 --upscale 3": "2 or 4",
    "tokenize lines.txt -o y.mp4": ".npz",
    "detokenize lines.txt -o y.mp4": "reelm tokenize",
    "train": "--workdir",
    "train lm": "CONFIG",
    "train audio demo --workdir w": "video-tokenizer",
    "export --video-tokenizer a --lm b -o c": "folder a",
    "export --video-tokenizer natural -o c --num-frames 0": "1 or more",
    "evaluate generation --task world --digits compact": "which the task world is not",
    "evaluate": "generation",
    "evaluate generation --data beach --task sound": "leave one out",
    "evaluate generation --split train": "name it with --data",
    "evaluate likelihood --clips 0": "1 or more",
    "evaluate likelihood --data beach --digits compact": "which beach is not",
    "evaluate generation --clips 0": "1 or more",
    "evaluate generation --num-frames 0": "1 or more",
    "tokenize lines.txt -o kept.npz": "read-only",
    "evaluate reconstruction --data . --i3d nothing.pt": "nothing.pt",
    "evaluate reconstruction --i3d lines.txt": "folder of videos",
    "evaluate reconstruction --data . --split train": "data set of pictures",
    "data": "tokenize",
    "data build": "NAME",
}

# What a task takes says the function that scores it, which may need JAX.
REFUSED_BY_TASK = {
    "evaluate generation --task emoji --num-frames 9": "not for emoji",
    "evaluate generation --task world --best-of 2": "not for world",
    "evaluate generation --task words-latin": "choose one of words, ",
}

ACCEPTED = {
    "--help": "reconstruct",
    "--version": reelm.__version__,
    "generate --help": "--cfg-scale",
    "train --help": "--workdir",
    "data tokenize --help": "--video-tokenizer",
}


def test_the_command_line_is_read_before_numpy_is_loaded():
    program = "import sys, reelm.cli.parse; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


# Runs command lines in one process; writes [[status, stdout, stderr, whether jax came in], ...].
MANY = """
import contextlib, io, json, sys
from reelm.cli.main import main
results = []
for arguments in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(arguments)
    results.append([status, out.getvalue(), err.getvalue(), "jax" in sys.modules])
json.dump(results, sys.stdout)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    (folder / "folder.mp4").mkdir()
    (folder / "several-1.mp4").mkdir()
    (folder / "kept.mp4").touch(mode=0o444)
    (folder / "kept.npz").touch(mode=0o444)
    (folder / "full.mp4").symlink_to("/dev/full")
    (folder / "lines.txt").write_text("a red seven moves right\n")
    (folder / "empty.txt").write_text("\n \n")
    (folder / "binary.txt").write_bytes(b"\xff\xfe\x00")
    return folder


@pytest.fixture(scope="module")
def results(folder) -> dict[str, tuple[int, str, str, bool]]:
    lines = [*REFUSED, *ACCEPTED, *REFUSED_BY_TASK]
    before = sorted(folder.iterdir())
    ran = subprocess.run(
        [sys.executable, "-c", MANY],
        input=json.dumps([line.split() for line in lines]),
        capture_output=True,
        text=True,
        cwd=folder,
        check=True,
    )
    assert sorted(folder.iterdir()) == before, "a refused request left something behind"
    return dict(zip(lines, map(tuple, json.loads(ran.stdout)), strict=True))


@pytest.mark.parametrize("line", [*REFUSED, *REFUSED_BY_TASK])
def test_a_bad_request_is_refused_in_one_line(results, line):
    status, out, err, jax_came_in = results[line]
    assert (status, out) == (2, "")
    assert err.startswith("reelm: error: ") and err.count("\n") == 1
    assert (REFUSED | REFUSED_BY_TASK)[line] in err
    assert not jax_came_in or line in REFUSED_BY_TASK


@pytest.mark.parametrize("line", ACCEPTED)
def test_help_and_version_need_no_jax(results, line):
    status, out, err, jax_came_in = results[line]
    assert (status, err) == (0, "")
    assert ACCEPTED[line] in out
    assert not jax_came_in


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "reelm", *arguments], capture_output=True, text=True, cwd=cwd)


def test_help_comes_at_once():
    def processor_seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert run("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # Of the processor, not of the clock: the machine may be busy with other tests.
    assert min(processor_seconds() for _ in range(3)) < 0.6


@pytest.mark.parametrize("place", [0, 2, 4])
def test_debug_shows_the_traceback_wherever_it_stands(place, capsys):
    arguments = ["generate", "x", "-o", "y.txt"]
    arguments.insert(place, "--debug")
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert told.splitlines()[-1].startswith("reelm: error: ")


@pytest.fixture
def hangups_are_heard():
    """Under nohup a hangup is ignored, and a command keeps it so."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc to time the signal")
@pytest.mark.usefixtures("hangups_are_heard")
@pytest.mark.parametrize(
    ("number", "status", "library"),
    [
        (signal.SIGINT, 130, "numpy"),
        pytest.param(signal.SIGINT, 130, "jaxlib", marks=pytest.mark.long),
        pytest.param(signal.SIGTERM, 143, "numpy", marks=pytest.mark.long),
        (signal.SIGTERM, 143, "jaxlib"),
        (1, 129, "numpy"),
        pytest.param(1, 129, "jaxlib", marks=pytest.mark.long),
    ],
)
def test_a_signal_ends_the_command_in_one_line(number, status, library):
    with started("info") as process:
        # In the middle of imports, where Python itself would print, lose or rename the exception.
        while library not in Path(f"/proc/{process.pid}/maps").read_text():
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (status, "")
    assert err.count("\n") == 1 and err.startswith("reelm: ")


def test_the_path_of_what_was_made_cannot_colour_a_terminal(capsys, monkeypatch):
    print_path("\x1b[31m.mp4")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_path("\x1b[31m.mp4")
    assert capsys.readouterr().out == "\x1b[31m.mp4\n\\x1b[31m.mp4\n"


@pytest.mark.parametrize("line", ["--help", pytest.param("info demo", marks=pytest.mark.long)])
def test_a_reader_that_leaves_is_met_with_silence(line):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "reelm", *line.split()]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.skipif(sys.platform != "linux", reason="no /dev/full")
def test_output_that_cannot_be_written_is_said():
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "reelm", "--version"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert ended.returncode == 1 and ended.stderr.startswith("reelm: error: ") and ended.stderr.count("\n") == 1


def test_what_a_signal_stopped_does_not_wait_for_threads_at_work():
    code = (
        "import time; from concurrent.futures import ThreadPoolExecutor; from reelm.cli.interrupts import leave\n"
        "ThreadPoolExecutor().submit(time.sleep, 60); print('said', end=''); leave(143)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout, ended.stderr) == (143, "said", "")


@pytest.mark.parametrize("device", [pytest.param("abacus", marks=pytest.mark.long), "cuda"])
def test_a_device_that_is_not_there_is_said(device):
    environment = {**os.environ, "JAX_PLATFORMS": device, "CUDA_VISIBLE_DEVICES": ""}
    ended = subprocess.run([sys.executable, "-m", "reelm", "info"], capture_output=True, text=True, env=environment)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1 and device in ended.stderr


def test_a_mesh_in_words_sets_the_fields_of_the_mesh(capsys):
    from reelm import configs
    from reelm.cli.parse import parse
    from reelm.lm.mesh import MeshSpec

    command: Any = parse(["train", "lm", "demo", "--workdir", "w", "--mesh", "data=2,fsdp=4"])
    assert command.settings.mesh == MeshSpec(data=2, fsdp=4)
    assert_refused(["train", "lm", "demo", "--workdir", "w", "--mesh=model=2"], "axes are data, fsdp", capsys)
    # The mesh of a preset is replaced, not mixed with the words.
    command = parse(["train", "lm", "1b", "--workdir", "w", "--mesh", "fsdp=8"])
    assert command.settings.mesh == MeshSpec(fsdp=8) != configs.get("lm", "1b").mesh
    line = ["train", "lm", "demo", "--workdir", "w", "--mesh.fsdp", "8"]
    assert_refused(line, "there is no option --mesh.fsdp; write --mesh fsdp=8", capsys)


@pytest.mark.parametrize("flag", ["--dry-run", "--loop.dry-run"])
def test_a_dry_run_is_one_by_either_name(flag, monkeypatch, tmp_path):
    from reelm.cli.parse import parse
    from reelm.train import start

    started = []
    monkeypatch.setattr(start, "train", lambda settings, workdir, cluster: started.append(settings))
    parse(["train", "lm", "demo", "--workdir", str(tmp_path), flag]).run()
    assert started[0].loop.dry_run


def test_a_disk_that_is_full_is_not_called_memory():
    from reelm.cli.main import _in_words

    error = OSError("a checkpoint could not be written under w: RESOURCE_EXHAUSTED: Error writing local file")
    assert "memory" not in _in_words(error, ["train", "lm", "demo"])


def test_memory_that_runs_out_ends_with_advice():
    from reelm.cli.main import _in_words

    error = RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate\n42 bytes.")
    said = _in_words(error, ["generate", "x"])
    assert "42 bytes" in said and "ask for fewer samples" in said and "\n" not in said
    for arguments in (["train", "lm", "8b"], ["--debug", "train", "lm", "8b"]):
        said = _in_words(error, arguments)
        assert all(way in said for way in ("smaller batch", "--mesh fsdp", "--accumulate", "--remat full"))
        assert "\n" not in said


@contextlib.contextmanager
def started(*arguments: str):
    command = [sys.executable, "-m", "reelm", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_an_unknown_configuration_or_field_is_refused(capsys, tmp_path):
    assert_refused(["train", "lm", "nothing", "--workdir", str(tmp_path / "w")], "demo", capsys)
    assert_refused(["train", "lm", "demo", "--workdir", str(tmp_path / "w"), "--no-such-field", "1"], "no-such", capsys)
    assert_refused(["train", "lm", "speech_music", "--workdir", str(tmp_path / "w")], "has no lm", capsys)
    assert_refused(["info", "nothing"], "demo", capsys)
    assert not (tmp_path / "w").exists()


def assert_refused(arguments: Sequence[str], word: str, capsys) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and word in err


def test_an_error_of_an_unknown_kind_is_one_line(monkeypatch):
    from reelm.cli import parse as module

    monkeypatch.setattr(module, "_refuse", lambda event, asked: None)
    with pytest.raises(RequestError, match="num-framse") as refused:
        module.parse(["generate", "x", "-o", "y.mp4", "--num-framse", "9"])
    assert not set("\n│─╭╯") & set(str(refused.value))


def test_a_field_is_found_by_its_last_name(capsys):
    arguments = ["train", "lm", "demo", "--workdir", "w", "--steps", "3"]
    assert_refused(arguments, "perhaps --loop.steps", capsys)
    for short, whole in {"--optimizer.lr": "--optimizer.learning-rate", "--bs": "--batch-size"}.items():
        arguments = ["train", "video-tokenizer", "demo", "--workdir", "w", short, "1"]
        assert_refused(arguments, f"there is no option {short}; perhaps {whole}", capsys)


def test_the_facade_names_what_it_holds():
    assert set(reelm.__all__) <= set(dir(reelm))
    assert reelm.RequestError.__module__ == "reelm.errors"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = reelm.nothing  # type: ignore[attr-defined]
