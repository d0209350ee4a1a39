"""A training of the language model under SIGKILL and SIGTERM ends with the bits of one that was left alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_signals_at_random_moments_change_nothing():
    command = [sys.executable, "benchmarks/chaos.py", "--kills", "2", "--steps", "24"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert json.loads(ended.stdout)["kills"] == 2
