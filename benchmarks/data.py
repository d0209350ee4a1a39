"""Measure whether a run waits for data: input pipelines against trainers, and building a set against ffmpeg.

    taskset -c 1 python benchmarks/data.py                      # pinned, so that all parts use the same cores
    taskset -c 1 python benchmarks/data.py --ffmpeg ./ffmpeg --films films/

For the demo's video tokenizer and language model it takes the run of `reelm train`, and measures in turn the batches a
second of only the data, and the steps a second without reading data. For building it measures the processor seconds of
`reelm data build` in one process, and those of ffmpeg, which decodes, scales, crops and encodes the same films to the
same format on one thread, and writes their sound. Films are generated if none are named. Prints JSON; without an ffmpeg
program its figures are left out.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Literal

import av
import jax
import numpy as np
import tyro
from harness import report

from reelm import configs
from reelm.data.films.buckets import Buckets
from reelm.data.films.build import build
from reelm.data.films.cutting import CuttingConfig
from reelm.data.films.worker import local
from reelm.data.tokens.index import TokenRun
from reelm.data.tokens.sample import TokenSample
from reelm.data.tokens.write import write_tokens
from reelm.media.formats.mp4 import write_video
from reelm.train.lm import run as lm
from reelm.train.step.feed import Feed, share
from reelm.train.tokenizers import video as video_tokenizer


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The parts to measure."""

    what: tuple[Literal["building", "video-tokenizer", "lm"], ...] = ("building", "video-tokenizer", "lm")
    """Parts to measure."""
    seconds: float = 10.0
    """Seconds of each round of a pipeline or a trainer; there are three of each."""
    films: Path | None = None
    """Folder of films to build from."""
    film_seconds: float = 40.0
    """Seconds of each of the two films that are generated if none are named."""
    ffmpeg: str = "ffmpeg"
    """The ffmpeg program to compare with."""


def fed(make_job: Any, run: Any, seconds: float) -> dict[str, float]:
    """Return the samples a second of the data of a run, and of its step."""
    with tempfile.TemporaryDirectory() as workdir:
        job = make_job(run, Path(workdir))
    state, step = job.build(job.mesh)
    data, size = Feed(job.batches(share(job.mesh)), job.mesh), job.load
    batches = [next(data) for _ in range(8)]
    for batch in batches:  # compiles for each shape
        state, metrics = step(state, batch)
    jax.block_until_ready(metrics)
    gives, takes = [], []
    for _ in range(3):
        begun, samples = time.monotonic(), 0
        while time.monotonic() - begun < seconds:
            samples += size(next(data)).samples
        gives.append(samples / (time.monotonic() - begun))
        begun, samples = time.monotonic(), 0
        while time.monotonic() - begun < seconds:
            for batch in batches:
                state, metrics = step(state, batch)
                samples += size(batch).samples
            jax.block_until_ready(metrics)
        takes.append(samples / (time.monotonic() - begun))
    figures = {"gives": median(gives), "takes": median(takes), "ratio": median(gives) / median(takes)}
    return {name: round(number, 2) for name, number in figures.items()}


def noise(start: int, stop: int) -> Iterator[TokenSample]:
    """Yield token samples of the demo's shape, with captions of the usual length."""
    for index in range(start, stop):
        codes = np.random.default_rng(index).integers(0, 2**18, (11, 8, 8), np.int32)
        yield TokenSample(
            video=codes[:9],
            captions=("a red seven moves right",),
            stills=codes[9:],
            still_frames=np.array([32, 16]),
            sound=np.zeros((0, 0), np.int32),
        )


def draw(folder: Path, seconds: float) -> None:
    """Write two films with sound: a moving texture that changes at cuts."""
    rng = np.random.default_rng(0)
    for number, (height, width) in enumerate([(360, 640), (480, 480)]):
        shots = []
        for _ in range(max(1, round(seconds / 10))):
            blocks = rng.integers(0, 256, (height // 8 + 40, width // 8 + 40, 3)).astype(np.uint8)
            texture = blocks.repeat(8, 0).repeat(8, 1)
            length = round(25 * seconds / max(1, round(seconds / 10)))
            shots += [texture[t % 300 : t % 300 + height, t % 300 : t % 300 + width] for t in range(length)]
        sound = 0.3 * rng.normal(size=(round(16_000 * seconds), 1)).clip(-1, 1).astype(np.float32)
        write_video(folder / f"film{number}.mp4", np.stack(shots), fps=25, audio=sound, sample_rate=16_000)


def spent() -> float:
    """Return the processor seconds of this process and its children, so that others on the machine do not count."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def built(folder: Path, place: Path) -> float:
    """Return the seconds to build a set of the films."""
    shutil.rmtree(place, ignore_errors=True)
    config = CuttingConfig(buckets=Buckets(resolution=128))
    begun = spent()
    build(folder, "films", place, config, pool=local(1))
    return spent() - begun


def encoded(program: str, folder: Path, place: Path) -> float:
    """Return the seconds of ffmpeg to convert the films to 8 frames a second, 128 by 128, in the stored format."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    chain = "fps=8,scale=128:128:force_original_aspect_ratio=increase,crop=128:128"
    video = "-c:v libx264 -crf 8 -preset veryfast -bf 0 -mbtree 0 -pix_fmt yuv444p".split()
    begun = spent()
    for film in sorted(folder.iterdir()):
        command = [program, "-v", "error", "-threads", "1", "-i", film, "-threads", "1", "-vf", chain, *video, "-an"]
        command += [place / f"{film.stem}.mp4"]
        with av.open(film) as container:
            if container.streams.audio:
                command += ["-vn", "-ac", "1", "-ar", "16000", place / f"{film.stem}.wav"]
        subprocess.run([str(word) for word in command], check=True)
    return spent() - begun


def building(asked: Arguments, place: Path) -> dict[str, float]:
    """Return the better of two times for both, measured in turn."""
    films = asked.films or place / "films"
    if asked.films is None:
        films.mkdir()
        draw(films, asked.film_seconds)
    times: dict[str, list[float]] = {"reelm": [], "ffmpeg": []}
    for _ in range(2):
        times["reelm"].append(built(films, place / "sets"))
        with suppress(FileNotFoundError):
            times["ffmpeg"].append(encoded(asked.ffmpeg, films, place / "encoded"))
    figures = {name: round(min(each), 2) for name, each in times.items() if each}
    if times["ffmpeg"]:
        figures["of_the_speed_of_ffmpeg"] = round(min(times["ffmpeg"]) / min(times["reelm"]), 2)
    return figures


def main(asked: Arguments) -> None:
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        if "building" in asked.what:
            figures["building"] = building(asked, Path(place))
        if "video-tokenizer" in asked.what:
            demo = configs.get("video-tokenizer", "demo")
            figures["video-tokenizer"] = fed(video_tokenizer.make_job, demo, asked.seconds)
        if "lm" in asked.what:
            tokens, demo = Path(place, "tokens"), configs.get("lm", "demo")
            write_tokens(tokens, noise, runs=[TokenRun(2000, 33, 64, 64)], tokenizer_hash="x", fps=8.0, time_stride=4)
            demo = replace(demo, tokens=(tokens,), video_tokenizer=None, stages=demo.stages[-1:])
            figures["lm"] = fed(lm.make_job, demo, asked.seconds)
    report(figures)


if __name__ == "__main__":
    main(tyro.cli(Arguments))
