"""The commands of the documents: each is one that the program takes, and the short path through them works."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reelm.cli.main import main
from reelm.cli.parse import parse
from reelm.media.formats.mp4 import write_video

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(text: str) -> str:
    """What stands in the code blocks of a page, continued lines joined."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return "\n".join(block for language, block in fenced if language != "python").replace("\\\n", " ")


def commands(text: str) -> list[list[str]]:
    """The arguments of every `reelm` command of a page: typed, started by srun, or a pod's."""
    text = blocks(text).replace("$SLURM_PROCID", "0").replace("$SLURM_NTASKS", "4")
    pods = [json.loads(line) for line in re.findall(r"^ *command: (\[.*\])$", text, re.MULTILINE)]
    typed = re.findall(r"^(?:srun\b.*?[ '])?(reelm .*?)'?$", text, re.MULTILINE)
    return [line[1:] for line in [*(shlex.split(line, comments=True) for line in typed), *pods]]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_is_one_that_there_is(page):
    text = page.read_text()
    found = commands(text)
    # None is overlooked for the way it is written.
    assert len(found) == len(re.findall(r'\breelm(?:",)? "?[a-z]+ |"reelm", "[a-z]+"', blocks(text))) > 0
    for arguments in found:
        parse(arguments)


# What makes each command of the first path small enough for a test.
SMALL = {
    "build": ["--processes", "2"],
    "video-tokenizer": (
        "--data.frames 5 --data.crop 16 --batch-size 2 --loop.steps 2 --model.encoder-channels 8 "
        "--model.encoder-blocks 1 --model.decoder-channels 8 --model.decoder-blocks 1 --model.bits 8"
    ).split(),
    "lm": (
        "--model.bits 8 --model.text-vocabulary 280 --model.width 16 --model.layers 1 --model.heads 2 "
        "--model.kv-heads 1 --model.head-width 8 --model.hidden 16 --loop.steps 2 --loop.sample-every 0"
    ).split(),
    "generate": ["--num-frames", "1"],
}


@pytest.mark.slow
def test_the_whole_path_with_the_shipped_tokenizer_fitted_to_films():
    small = ["--tiny", "--tokenizer-steps", "2", "--lm-steps", "2"]
    ran = subprocess.run([sys.executable, ROOT / "benchmarks" / "own_clips.py", *small], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    done = json.loads(ran.stdout)
    assert list(done["seconds"]) == ["build", "fine-tune", "tokenize", "lm", "export", "generate"]
    assert done["bytes"] > 0


@pytest.mark.slow
def test_the_path_from_a_folder_to_a_clip(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REELM_HOME", str(tmp_path / "home"))
    (tmp_path / "films").mkdir()
    blocks = np.random.default_rng(0).integers(0, 256, (20, 9, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    for name in ("waves", "sand"):
        video = np.stack([blocks[t : t + 64, :64] for t in range(36)])
        write_video(tmp_path / "films" / f"{name}.mp4", video, fps=8)
        (tmp_path / "films" / f"{name}.txt").write_text(f"{name} roll onto a beach")
    text = (ROOT / "docs" / "training.md").read_text()
    for arguments in commands(text[text.index("## On a laptop") : text.index("**build** reads")]):
        small = next((options for word, options in SMALL.items() if word in arguments[:2]), [])
        assert main([*arguments, *small]) == 0, arguments
    assert (tmp_path / "beach.mp4").stat().st_size > 0
