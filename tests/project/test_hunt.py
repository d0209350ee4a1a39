"""A minute of the hunt finds nothing, nor do a few films beside FFmpeg's own program, where there is one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


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
