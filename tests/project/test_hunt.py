"""A minute of the hunt finds nothing."""

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
