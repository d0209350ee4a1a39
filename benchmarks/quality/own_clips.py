"""The whole path on films of one's own: build, fine-tune the tokenizer, tokenize, train the language model, generate.

    python benchmarks/quality/own_clips.py --films films/    # an hour or so of training on two cores
    python benchmarks/quality/own_clips.py --tokenizer-steps 2 --lm-steps 2 --tiny    # as tests do, on two drawn films

Runs the commands that a user types, each in a process of its own, and stops at the first that fails. Prints the seconds
of each and the clip's place as JSON.
"""

import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from reelm.media.formats.mp4 import write_video


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to run."""

    films: Path | None = None
    """Folder of films, with captions beside them; two are drawn where none is named."""
    workdir: Path | None = None
    """Folder to work in and to keep; by default one that is removed at the end."""
    prompt: str = "waves roll onto a beach"
    """Of the clip that is made at the end."""
    tokenizer_steps: int = 2000
    """Steps in which the shipped tokenizer is fitted to the films."""
    lm_steps: int = 3000
    """Steps of the language model."""
    tiny: bool = False
    """Small batches and a small language model, to see that it all works."""


def draw(folder: Path) -> None:
    """Two films of a texture that moves, with their captions."""
    folder.mkdir()
    blocks = np.random.default_rng(0).integers(0, 256, (20, 9, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    for name in ("waves", "sand"):
        write_video(folder / f"{name}.mp4", np.stack([blocks[t : t + 64, :64] for t in range(36)]), fps=8)
        (folder / f"{name}.txt").write_text(f"{name} roll onto a beach")


def commands(asked: Arguments, films: Path, work: Path) -> dict[str, list[str]]:
    """The path, step by step."""
    tokenizer, tokens, lm, model = (str(work / name) for name in ("tokenizer", "tokens", "lm", "model"))
    small_tokenizer, small_lm = [], []
    if asked.tiny:
        small_tokenizer = "--data.frames 5 --data.crop 16 --batch-size 2 --loop.sample-every 0".split()
        small_lm = (
            "--model.text-vocabulary 280 --model.width 16 --model.layers 1 --model.heads 2 --model.kv-heads 1 "
            "--model.head-width 8 --model.hidden 16 --loop.sample-every 0"
        ).split()
    sets = str(work / "sets")
    return {
        "build": ["data", "build", str(films), "--name", "films", "--resolution", "64", "--data-dir", sets],
        "fine-tune": [
            *("train", "video-tokenizer", "demo", "--start-from", "demo", "--workdir", tokenizer),
            *("--data.dataset", f"{sets}/films", "--loop.steps", str(asked.tokenizer_steps), *small_tokenizer),
        ],
        "tokenize": ["data", "tokenize", f"{sets}/films", "--video-tokenizer", tokenizer, "-o", tokens],
        "lm": [
            *("train", "lm", "demo", "--workdir", lm, "--tokens", tokens, "--video-tokenizer", tokenizer),
            *("--loop.steps", str(asked.lm_steps), "--model.prefix", "64", *small_lm),  # words of one's own may be many
        ],
        "export": ["export", "--video-tokenizer", tokenizer, "--lm", lm, "-o", model],
        "generate": [
            *("generate", asked.prompt, "--model", model, "-o", str(work / "clip.mp4")),
            *(("--num-frames", "5") if asked.tiny else ()),
        ],
    }


def main() -> int:
    asked = tyro.cli(Arguments)
    with ExitStack() as stack:
        work = asked.workdir or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        work.mkdir(parents=True, exist_ok=True)
        if asked.films is None and not (work / "films").exists():
            draw(work / "films")
        seconds = {}
        for step, arguments in commands(asked, asked.films or work / "films", work).items():
            begun = time.monotonic()
            ended = subprocess.run([sys.executable, "-m", "reelm", *arguments], stdout=sys.stderr)
            seconds[step] = round(time.monotonic() - begun, 1)
            if ended.returncode:
                print(f"{step} ended with status {ended.returncode}", file=sys.stderr)
                return 1
        clip = work / "clip.mp4"
        print(json.dumps({"seconds": seconds, "clip": str(clip), "bytes": clip.stat().st_size}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
