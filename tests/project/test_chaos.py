"""A run that is killed at any moment ends as one that was left alone, also when its number of processes changes."""

import json
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
