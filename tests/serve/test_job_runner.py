"""A job under way says how far it is, and what failed in a thread is raised where progress is asked for."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Semaphore
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from reelm.media.clip import Clip
from reelm.sampling.finish_sound import SoundFormat
from reelm.serve import job_runner
from reelm.serve.device_workers import DeviceWorker
from reelm.serve.job import Job
from reelm.serve.job_runner import JobRunner, State, Writers
from reelm.serve.turns import Company

CODES = {name: np.zeros((1, 1, 1), np.int32) for name in ("video", "audio")}
PIECES = [
    Clip(np.full((frames, 16, 24, 3), 50 * i, np.uint8), fps=8.0, tokens=CODES) for i, frames in enumerate((1, 4, 4))
]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a job under way, of three latent frames that are there at once, and what counts its calls of `wake`."""
    monkeypatch.setattr(job_runner, "stream", lambda request, slot: ([piece] for piece in PIECES))
    choice = SimpleNamespace(settings=SimpleNamespace(fps=8.0, best_of=1))
    plan, model = SimpleNamespace(length=len(PIECES)), SimpleNamespace(soundtrack=None)
    request: Any = SimpleNamespace(model=model, choice=choice, stream=plan, drawer=None, sound=SoundFormat())
    worker = DeviceWorker("worker", lambda requests, rows: None, Company())
    batch = SimpleNamespace(join=lambda drawer, stream: SimpleNamespace(close=lambda: None))
    monkeypatch.setattr(worker, "batch_of", lambda request: batch)
    writers, woken = Writers(ThreadPoolExecutor(1), ThreadPoolExecutor(1)), Semaphore(0)
    job = Job(model="tiny", prompt="red", seed=0, settings={})
    run = JobRunner(job, request, worker, tmp_path, writers, lambda job_id: None, woken.release)
    yield run, woken
    run.close()
    worker.do(lambda: None).result()
    worker.end()
    for writer in writers:
        writer.shutdown()


def polled(run: JobRunner, woken: Semaphore) -> State:
    """Return the state that comes next."""
    assert woken.acquire(timeout=10) and run.poll()
    return run.state


def test_a_job_is_drawn_and_then_saved(run, tmp_path):
    run, woken = run
    assert run.state is State.NEW and run.draws and not run.poll()
    for piece in PIECES[:-1]:
        assert polled(run, woken) is State.DRAWING and run.draws
        np.testing.assert_array_equal(run.newest, piece.video[-1])
    assert polled(run, woken) is State.DRAWN and not run.draws
    run.save({"joules": 1.0})
    assert run.state is State.SAVING
    assert polled(run, woken) is State.SAVED
    for name in (job_runner.CLIP, job_runner.STREAM):
        assert len(Clip.open(tmp_path / name).video) == 9


def test_a_disk_that_fails_is_told_by_poll(run, monkeypatch):
    def full(clip: Clip, path: Path) -> None:
        raise OSError("the disk is full")

    run, woken = run
    monkeypatch.setattr(Clip, "save", full)
    assert not run.poll()
    while polled(run, woken) is not State.DRAWN:
        pass
    run.save({})
    assert woken.acquire(timeout=10)
    with pytest.raises(OSError, match="the disk is full"):
        run.poll()
