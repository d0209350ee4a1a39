"""Clips of a new kind wait for their programs, and nobody waits for them."""

import threading
from typing import Any

import pytest
from made.serving import Service, serving

from reelm.programs.program import Program
from reelm.sampling.conditions.sources import Sources
from reelm.sampling.options import Options
from reelm.sampling.planning.plan import plan
from reelm.serve import kinds as kinds_module
from reelm.serve.access import Limits
from reelm.serve.kinds import Kinds, is_large, kind_of


def kind(model: Any, prompt: str = "red", **asked: Any) -> Any:
    return kind_of(plan(model, prompt, Sources(), Options(**asked)))


def test_words_seeds_and_lengths_are_of_one_kind_and_sizes_are_not(tiny_model):
    usual = kind(tiny_model, num_frames=5)
    assert usual == kind(tiny_model, "blue", num_frames=9, seed=3, temperature=0.5) == kind(tiny_model, min_p=0.1)
    others = [
        kind(tiny_model, "red", **asked)
        for asked in ({"height": 24}, {"cfg_scale": 2}, {"top_k": 3}, {"num_frames": 99})
    ]
    assert usual not in others and len({*others}) == 4


def test_clips_with_more_pixels_in_a_latent_frame_are_large(tiny_model):
    def large(**asked: Any) -> bool:
        return is_large(plan(tiny_model, "red", Sources(), Options(**asked)))

    usual = tiny_model.defaults
    assert not large() and not large(num_frames=99) and not large(height=2 * usual.height)
    assert large(height=2 * usual.height, width=2 * usual.width) and large(num_samples=3)


def test_a_key_asks_for_so_many_new_kinds_in_an_hour(monkeypatch):
    kinds, now = Kinds(2), [0.0]
    monkeypatch.setattr(kinds_module.time, "monotonic", lambda: now[0])
    assert [kinds.wait_for("ada", each) for each in "abc"] == [0, 0, 3600]
    assert kinds.wait_for("grace", "c") == 0 and kinds.wait_for("", "c") == 0
    kinds.learn("c")
    assert kinds.wait_for("ada", "c") == 0
    now[0] = 3601
    assert kinds.wait_for("ada", "d") == 0


@pytest.fixture(scope="module")
def service(tiny_model, tmp_path_factory):
    yield from serving(tiny_model, tmp_path_factory.mktemp("kinds") / "home", limits=Limits())


def test_a_clip_whose_programs_are_there_passes_those_that_wait_for_theirs(service: Service, monkeypatch):
    service.made(service.json("POST", "/v1/videos", {"prompt": "red", "num_frames": 5})[1])
    go_on, settle = threading.Event(), Program._settle

    def slow(program: Program, *rest: Any) -> None:
        go_on.wait(60)
        settle(program, *rest)

    monkeypatch.setattr(Program, "_settle", slow)
    new = [
        service.json("POST", "/v1/videos", {"prompt": "red", "num_frames": 5, "height": height, "width": 40})[1]
        for height in (24, 32, 40)
    ]
    ready = service.json("POST", "/v1/videos", {"prompt": "blue", "num_frames": 5})[1]
    assert service.made(ready)["status"] == "completed"
    assert all(service.json("GET", f"/v1/videos/{job['id']}")[1]["status"] != "completed" for job in new)
    go_on.set()
    assert [service.made(job)["status"] for job in new] == ["completed"] * 3
