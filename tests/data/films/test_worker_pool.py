"""Processes that do tasks: one that crashes or hangs costs its task, and none outlives the work."""

import os
import sys
from collections.abc import Generator

import pytest

from reelm.data.films import worker_pool

# Does what each task says, in the protocol of `worker_pool.py`.
PROGRAM = """
import json, os, signal, sys, time
print("alive", flush=True)
for line in sys.stdin:
    task = json.loads(line)
    if task == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if task == "leave":
        sys.exit(3)
    if task == "hang":
        time.sleep(600)
    if task == "slow":
        for _ in range(8):
            time.sleep(0.1)
            print("alive", flush=True)
    print(json.dumps([task, os.getpid()]), flush=True)
"""
COMMAND = [sys.executable, "-c", PROGRAM]


def run(tasks: list, **changed) -> Generator[worker_pool.Outcome]:
    return worker_pool.run(tasks, COMMAND, **{"workers": 2, "stall_seconds": 30.0, **changed})


def assert_alone() -> None:
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize("count", [1, 3])
def test_every_task_is_answered_once(count):
    outcomes = list(run(list(range(20)), workers=count))
    assert sorted(outcome.answer[0] for outcome in outcomes) == list(range(20))
    assert all(outcome.task == outcome.answer[0] and not outcome.fault for outcome in outcomes)
    assert len({outcome.answer[1] for outcome in outcomes}) <= count
    assert_alone()


def test_no_tasks_start_no_process():
    assert list(run([])) == []


def test_a_task_that_kills_its_process_costs_itself():
    outcomes = {outcome.task: outcome for outcome in run([1, "crash", 2, "leave", 3, 4])}
    assert {task for task, outcome in outcomes.items() if outcome.fault} == {"crash", "leave"}
    assert "SIGSEGV" in outcomes["crash"].fault
    assert "status 3" in outcomes["leave"].fault
    assert_alone()


def test_a_task_that_hangs_is_given_up_and_one_that_gets_on_is_not():
    outcomes = {outcome.task: outcome for outcome in run(["hang", 1, "slow", 2], stall_seconds=0.5)}
    assert "given up after 0.5 s" in outcomes["hang"].fault
    assert {task for task, outcome in outcomes.items() if not outcome.fault} == {1, 2, "slow"}
    assert_alone()


def test_processes_end_with_the_iterator():
    outcomes = run(["hang", 1, 2])
    assert next(outcomes).task == 1
    outcomes.close()
    assert_alone()


def test_a_process_that_does_not_start_blames_no_task():
    with pytest.raises(RuntimeError, match="does not start: .* status 5"):
        list(worker_pool.run([1], [sys.executable, "-c", "raise SystemExit(5)"], workers=1, stall_seconds=9))
    assert_alone()


def test_a_process_that_is_silent_from_the_start_blames_no_task(monkeypatch):
    monkeypatch.setattr(worker_pool, "_START_SECONDS", 0.2)
    with pytest.raises(RuntimeError, match="does not start: it was silent for 0.2 s"):
        list(worker_pool.run([1], [sys.executable, "-c", "import time; time.sleep(600)"], workers=1, stall_seconds=9))
    assert_alone()
