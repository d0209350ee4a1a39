"""Jobs are planned once, beside the thread that advances clips and worlds, and the plan is what the engine draws."""

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reelm.errors import RequestError
from reelm.serve import planner as planning
from reelm.serve.access import Limits
from reelm.serve.job import Job
from reelm.serve.jobs import Jobs
from reelm.serve.planner import Closed, Planner


@pytest.fixture
def jobs(tmp_path):
    jobs = Jobs(tmp_path, 8)
    yield jobs
    jobs.close()


@pytest.fixture
def planned_in(monkeypatch):
    """The names of the threads in which something was planned."""
    threads, plan = [], planning.plan

    def noted(*arguments, **options):
        threads.append(threading.current_thread().name)
        return plan(*arguments, **options)

    monkeypatch.setattr(planning, "plan", noted)
    return threads


def job_of(**other) -> Job:
    return Job(model="tiny", prompt="red", seed=3, settings={"num_frames": 5}, **other)


def test_a_job_is_planned_once_in_a_thread_of_its_own(tiny_model, jobs, planned_in):
    planner = Planner({"tiny": tiny_model}, {"tiny": tiny_model.anew()}, jobs, Limits())
    job = job_of()
    request = planner.plan(job).result()
    planner.hold(job.id, request)
    assert planner.take(job).result() is request
    assert len(planned_in) == 1 and planned_in[0].startswith("planner")
    assert list(request.choice.seeds) == [3]
    # What a server before this one took, or what was dropped, is planned again.
    planner.take(job).result()
    planner.hold(job.id, request)
    planner.forget(job.id)
    planner.take(job).result()
    assert len(planned_in) == 3
    planner.close()


def test_files_are_called_as_the_client_does(tiny_model, jobs):
    planner = Planner({"tiny": tiny_model}, {"tiny": tiny_model.anew()}, jobs, Limits())
    job = job_of(uploads={"image": "cat.png"})
    folder: Path = jobs.folder(job.id)
    folder.mkdir(parents=True)
    (folder / "image").write_bytes(b"this is no picture")
    with pytest.raises(RequestError, match="cat.png") as refusal:
        planner.plan(job).result()
    assert str(folder) not in str(refusal.value)
    Image.fromarray(np.zeros((16, 24, 3), np.uint8)).save(folder / "image", "png")
    assert planner.plan(job).result().inputs.summary["image"] == "cat.png"
    planner.close()


def test_a_plan_under_way_fails_when_the_server_ends(tiny_model, jobs, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()
    plan = planning.plan

    def slow(*arguments, **options):
        begun.set()
        go_on.wait(30)
        return plan(*arguments, **options)

    monkeypatch.setattr(planning, "plan", slow)
    planner = Planner({"tiny": tiny_model}, {"tiny": tiny_model.anew()}, jobs, Limits())
    waiting = planner.plan(job_of())
    begun.wait(30)
    planner.close()
    with pytest.raises(Closed):
        waiting.result(timeout=5)
    go_on.set()
    with pytest.raises(Closed):
        planner.plan(job_of()).result(timeout=5)


def test_jobs_of_words_pass_those_with_files(tiny_model, jobs, monkeypatch):
    go_on, plan = threading.Event(), planning.plan

    def slow(model, prompt, sources, options):
        if sources.image is not None:
            go_on.wait(30)
        return plan(model, prompt, sources, options)

    monkeypatch.setattr(planning, "plan", slow)
    planner, folders = Planner({"tiny": tiny_model}, {"tiny": tiny_model.anew()}, jobs, Limits()), []
    with_files = [job_of(owner=f"key {number}", uploads={"image": "cat.png"}) for number in range(4)]
    for job in with_files:
        folders.append(jobs.folder(job.id))
        folders[-1].mkdir(parents=True)
        Image.fromarray(np.zeros((16, 24, 3), np.uint8)).save(folders[-1] / "image", "png")
    waiting = [planner.plan(job) for job in with_files]
    planner.plan(job_of(owner="other")).result(30)
    assert not any(each.done() for each in waiting)
    go_on.set()
    assert [each.result(60).inputs.summary["image"] for each in waiting] == ["cat.png"] * 4
    planner.close()


def test_what_is_too_large_is_refused_before_it_is_planned(tiny_model, jobs, planned_in):
    planner = Planner({"tiny": tiny_model}, {"tiny": tiny_model.anew()}, jobs, Limits(clip_pixels=1000))
    with pytest.raises(RequestError, match="at most 1000 are made"):
        planner.plan(job_of()).result()
    assert not planned_in
    planner.close()


def test_a_tiny_film_that_would_be_large_is_refused(tiny_model, jobs):
    """Two frames of five minutes each are thousands at the rate of the model."""
    planner = Planner({"tiny": tiny_model}, {"tiny": tiny_model.anew()}, jobs, Limits(clip_pixels=200_000))
    job = Job(model="tiny", prompt="", seed=3, settings={}, uploads={"video": "bomb.gif"})
    jobs.folder(job.id).mkdir(parents=True)
    frames = [Image.new("L", (2, 2), shade) for shade in (0, 255)]
    path = jobs.folder(job.id) / "video"
    frames[0].save(path, "gif", save_all=True, append_images=frames[1:], duration=300_000)
    with pytest.raises(RequestError, match="bomb.gif.* over the budget"):
        planner.plan(job).result()
    planner.close()
