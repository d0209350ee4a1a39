"""Runs that are killed end as one that was left alone; a minute of the hunt finds nothing, nor do a few films."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def chaos(*options: Any) -> dict[str, Any]:
    command = [sys.executable, "benchmarks/chaos.py", "--steps", "24", *map(str, options)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.long
@pytest.mark.slow
def test_signals_at_random_moments_change_nothing():
    assert chaos("--kills", 2)["kills"] == 2


@pytest.mark.long
@pytest.mark.slow
def test_the_same_samples_follow_on_another_number_of_processes():
    told = chaos("--kills", 2, "--counts", 1, 2, 1)
    assert 1 <= len(told["gradients_apart"]) <= 2 and max(told["gradients_apart"]) <= 1e-5


@pytest.mark.long
@pytest.mark.slow
def test_a_minute_of_the_hunt_finds_nothing():
    command = [sys.executable, "benchmarks/hunt.py", "--minutes", "1"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg on PATH")
def test_films_are_read_as_ffmpeg_reads_them():
    command = [sys.executable, "benchmarks/hunt.py", "media", "--files", "4"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert ended.returncode == 0, ended.stdout + ended.stderr
