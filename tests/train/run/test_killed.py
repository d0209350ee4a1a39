"""Tests of killed runs: a restarted training equals an uninterrupted one."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from made import training
from made.training import digest, metrics, steps_on_disk, train


def start(workdir: Path, steps: int = 40, save_every: int = 2) -> subprocess.Popen:
    command = [sys.executable, training.__file__, str(workdir), str(steps), str(save_every)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def killed_when(process: subprocess.Popen, due) -> bool:
    """Sends SIGKILL as soon as `due()`; False when the process ended before."""
    while process.poll() is None:
        if due():
            process.kill()
            process.communicate()
            return True
        time.sleep(0.001)
    return False


@pytest.mark.long
@pytest.mark.slow
def test_sigkill_at_any_moment_changes_nothing(tmp_path):
    alone = digest(train(tmp_path / "alone", 40, save_every=2))
    workdir = tmp_path / "killed"
    rng = random.Random(0)
    # In the middle of a save, as its temporary folder shows, and at random steps in between.
    for in_a_save in (True, False, True):
        aim = max([0, *steps_on_disk(workdir)]) + rng.randint(2, 9)

        def due(aim=aim, in_a_save=in_a_save):
            saving = any(workdir.glob("checkpoints/*.orbax-checkpoint-tmp*"))
            return max([0, *steps_on_disk(workdir)]) >= aim and saving == in_a_save

        assert killed_when(start(workdir), due), "ended before it could be killed"
    last = start(workdir)
    resumed, errors = last.communicate()
    assert last.returncode == 0, errors
    assert "resumed from step" in errors
    assert resumed.strip() == alone
    assert metrics(workdir) == metrics(tmp_path / "alone")


@pytest.mark.long
@pytest.mark.slow
def test_sigterm_to_a_program_saves_and_ends_with_143(tmp_path):
    process = start(tmp_path, steps=100_000, save_every=100_000)
    while not ((tmp_path / "metrics.jsonl").exists() and metrics(tmp_path)):
        assert process.poll() is None
        time.sleep(0.01)
    process.terminate()
    _, errors = process.communicate()
    assert process.returncode == 143
    [step] = steps_on_disk(tmp_path)
    assert f"SIGTERM: {step} of 100000 steps made, the newest checkpoint is of step {step}" in errors
    assert "Traceback" not in errors
