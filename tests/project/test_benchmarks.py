"""Benchmarks run, at toy scale, and say what they timed on what; no figure of speed is checked."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from made.models import tiny_world

pytestmark = [pytest.mark.slow, pytest.mark.long]

ABOUT = {"device", "reelm", "jax", "jaxlib"}
DECODE = {
    "batch",
    "weights",
    "ms_per_code",
    "codes_per_second",
    "share_of_limit",
    "clips_per_second",
    "times_real_time",
}
TRAIN = {"batch", "positions", "ms_per_step", "samples_per_second", "positions_per_second", "tflops_per_second", "mfu"}


def test_every_leg_that_wants_an_accelerator_runs(tmp_path):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "TOY": "1", "RUNS": str(tmp_path)}
    ran = subprocess.run(["benchmarks/gpu.sh"], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
    legs: dict[str, Any] = {file.stem: json.loads(file.read_text()) for file in tmp_path.glob("*.json")}
    assert legs.keys() == {path.name for path in (tmp_path / "done").iterdir()}
    for name, leg in legs.items():
        if name.startswith(("decode", "train")):
            assert leg.keys() >= ABOUT
            (row,) = leg["rows"]
            assert row.keys() >= {"size"} | (DECODE if name.startswith("decode") else TRAIN)
            assert row["size"] == "toy"
    # A clip of the toy has two latent frames: 1 + 4 frames at 8 a second.
    (row,) = legs["decode-int8"]["rows"]
    assert row["times_real_time"] == pytest.approx(row["clips_per_second"] * 5 / 8)
    assert legs["parallel"]["same"] == legs["parallel"]["clips"] == 1
    assert (tmp_path / "toys/model/model.json").exists()
    again = subprocess.run(["benchmarks/gpu.sh", "train-1b", "toys"], env=environment, capture_output=True, text=True)
    assert again.returncode == 0 and all("done before" in line for line in again.stderr.splitlines())


def test_a_world_is_played_alone_and_in_time(tmp_path):
    tiny_world().save(tmp_path / "world")
    command = [sys.executable, "benchmarks/play.py", "alone", "socket", "memory"]
    command += ["--model", str(tmp_path / "world"), "--seconds", "0.3", "--presses", "3", "--hours", "0.01"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
    found = json.loads(ran.stdout)
    assert found.keys() == ABOUT | {"alone", "socket", "memory"}
    assert found["socket"]["presses"] == 3
    # 36 seconds of 8 frames a second, four to a step.
    assert found["memory"]["steps"] == 72 and len(found["memory"]["resident_mb"]) == 13


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg on PATH")
def test_films_are_read_as_ffmpeg_reads_them():
    command = [sys.executable, "benchmarks/films/compare.py", "--files", "4"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
