"""The commands of the documents: each is one that the program takes, and the short path through them works."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from reelm.cli import main
from reelm.cli_parse import parse
from reelm.sampling.mp4 import write_video

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(text: str) -> list[list[str]]:
    """The arguments of every `reelm` command in the code blocks of a page."""
    blocks = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").replace("$SLURM_PROCID", "0").replace("$SLURM_NTASKS", "4")
    words = [shlex.split(line, comments=True) for line in lines.splitlines()]
    return [line[1:] for line in words if line[:1] == ["reelm"]]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_is_one_that_there_is(page):
    found = commands(page.read_text())
    assert found
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
