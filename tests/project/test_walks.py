"""The walks in docs/architecture.md are those that a prompt and a film take.

Run as a program this file traces one of them with the model in a folder, and prints what each file called, in the order
of entry.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).parents[2]


def trace(call: Any) -> dict[str, list[str]]:
    """Return the project's files that a call entered, in order, each with the files that it called."""
    calls: dict[str, list[str]] = {}
    names: dict[str, str | None] = {}

    def file_of(frame: FrameType) -> str | None:
        path = frame.f_code.co_filename
        if path not in names:
            real = Path(path).resolve()
            # The environment may lie in the project's folder, as `make env` puts it there.
            ours = path.startswith("/") and real.is_relative_to(ROOT) and not real.is_relative_to(sys.prefix)
            ours = ours and real != Path(__file__)
            names[path] = real.relative_to(ROOT).as_posix() if ours else None
        return names[path]

    def note(frame: FrameType, event: str, argument: Any) -> None:
        # A module that is imported runs too, and so does the body of a class: only functions are calls.
        if event != "call" or not frame.f_code.co_flags & 1 or (own := file_of(frame)) is None:
            return
        calls.setdefault(own, [])
        caller = frame.f_back
        while caller is not None and file_of(caller) is None:
            caller = caller.f_back
        if caller is not None and (name := file_of(caller)) in calls and name not in (None, own):
            calls[name] += [own] if own not in calls[name] else []

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return calls


def prompt(folder: Path) -> dict[str, list[str]]:
    """Trace a prompt, the loading of the model left out."""
    import reelm

    model = reelm.load(str(folder))
    return trace(lambda: model.generate("a red seven moves", num_frames=5))


def film(folder: Path) -> dict[str, list[str]]:
    """Trace a folder with a film to three steps of a language model."""
    import numpy as np

    import reelm
    from reelm.data.films.buckets import Buckets
    from reelm.data.films.build import build
    from reelm.data.films.cutting import CuttingConfig
    from reelm.data.films.worker import local
    from reelm.data.tokens.config import Bucket, Stage
    from reelm.data.tokens.tokenize import tokenize
    from reelm.lm.net.config import LMConfig
    from reelm.media.formats.mp4 import write_video
    from reelm.train.lm.config import LMRun
    from reelm.train.parts import open_video_tokenizer
    from reelm.train.run.config import LoopConfig

    films = folder / "films"
    films.mkdir()
    picture = np.random.default_rng(0).integers(0, 256, (8, 10, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    write_video(films / "a.mp4", np.stack([picture[t // 2 : 32 + t // 2, :48] for t in range(40)]), fps=8)
    (films / "a.txt").write_text("noise climbs")
    cut, pool = CuttingConfig(buckets=Buckets(resolution=32, lengths=(9,)), test_share=0), local(1)
    run = LMRun(
        model=LMConfig(bits=10, frames=3, width=16, layers=1, heads=1, kv_heads=1, head_width=16, hidden=16),
        stages=(Stage(buckets=(Bucket(frames=2, batch_size=2),)),),
        tokens=(folder / "tokens",),
        loop=LoopConfig(steps=3, save_every=3, sample_every=0),
    )

    def walk() -> None:
        place = build(films, "films", folder / "sets", cut, pool=pool).folder
        tokenize(str(place), open_video_tokenizer(folder), folder / "tokens", num_frames=9)
        reelm.train(run, folder / "lm")

    return trace(walk)


if __name__ == "__main__":
    print(json.dumps({"prompt": prompt, "film": film}[sys.argv[1]](Path(sys.argv[2]))))
    sys.exit()

import pytest  # noqa: E402  (the program above runs without it)


def named(heading: str) -> list[str]:
    """Return the files that the numbered list under a heading names, in order."""
    section = (ROOT / "docs/architecture.md").read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    steps = re.search(r"^1\. .*?(?=\n\n)", section, re.MULTILINE | re.DOTALL)
    assert steps
    return re.findall(r"`([\w/]+\.py)`", steps[0])


def traced(walk: str, folder: Path) -> dict[str, list[str]]:
    # Nets that are found on disk are not entered.
    environment = {name: value for name, value in os.environ.items() if name != "REELM_PROGRAMS"}
    command = [sys.executable, __file__, walk, str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.long
def test_a_prompt_goes_the_way_that_is_written_down(tiny_sound_model, tmp_path):
    tiny_sound_model.save(tmp_path)
    calls = traced("prompt", tmp_path)
    walk = named("A prompt, from generate to pixels")
    assert len(walk) == len(set(walk))
    assert walk == [name for name in calls if name in walk]
    assert {name for name, others in calls.items() if others} <= {*walk}


@pytest.mark.long
@pytest.mark.slow
def test_a_film_goes_the_way_that_is_written_down(tiny_model, tmp_path):
    tiny_model.save(tmp_path)
    calls = traced("film", tmp_path)
    walk = named("A film, from folder to training step")
    assert len(walk) == len(set(walk))
    assert [name for name in walk if name in calls] == [name for name in calls if name in walk]
    # What a process of its own does is not traced.
    assert {*walk} - {*calls} == {f"data/films/{name}.py" for name in ("cutting", "shots", "buckets")} | {
        "media/read.py"
    }
