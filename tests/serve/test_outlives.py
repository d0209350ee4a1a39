"""The command itself: jobs outlive a server that is killed, and SIGTERM ends one in good order."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.sync.client import connect

from reelm import Clip

pytestmark = [pytest.mark.slow, pytest.mark.long]


Start = Callable[[Path, Path], tuple[subprocess.Popen[str], str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a server, and kill it after the test where it still runs."""
    processes = []

    def start(model: Path, home: Path) -> tuple[subprocess.Popen[str], str]:
        arguments = ["--model", str(model), "--home", str(home), "--port", "0", "--rows", "2"]
        command = [sys.executable, "-m", "reelm", "serve", *arguments]
        environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
        with (home.parent / "log").open("ab") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        processes.append(process)
        assert process.stdout is not None
        with process.stdout:
            address = process.stdout.readline().strip()  # its end, where the server ends instead
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address), address
        return process, address

    yield start
    for process in processes:
        process.kill()
        process.wait(30)


def ask(address: str, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address + path, data, {"Content-Type": "application/json"})
    for _ in range(200):
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read())
        except ConnectionError:
            time.sleep(0.1)
        except urllib.error.URLError as error:
            if isinstance(error, urllib.error.HTTPError):
                raise
            time.sleep(0.1)
    raise AssertionError(f"{address} does not answer")


def ended(address: str, job: str) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while (now := ask(address, f"/v1/videos/{job}"))["status"] in ("queued", "in_progress"):
        assert time.monotonic() < deadline, now
        time.sleep(0.1)
    return now


def test_jobs_outlive_servers_that_are_killed(tiny_sound_model, tmp_path, start):
    tiny_sound_model.save(tmp_path / "tiny")
    home, rng = tmp_path / "home", np.random.default_rng(0)
    asked = [{"prompt": "red", "seed": seed, "num_frames": 65, "temperature": 5.0} for seed in range(4)]
    jobs: list[str] = []
    for each in asked[:-1]:
        process, address = start(tmp_path / "tiny", home)
        jobs.append(ask(address, "/v1/videos", each)["id"])
        time.sleep(rng.uniform(0, 2))
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    process, address = start(tmp_path / "tiny", home)
    jobs.append(ask(address, "/v1/videos", asked[-1])["id"])
    for job, each in zip(jobs, asked, strict=True):
        now = ended(address, job)
        assert now["status"] == "completed", now
        clip, again = Clip.open(home / "jobs" / job / "clip.mp4"), tmp_path / "again.mp4"
        options = {name: value for name, value in each.items() if name != "prompt"}
        tiny_sound_model.generate(each["prompt"], **options).save(again)
        np.testing.assert_array_equal(clip.video, Clip.open(again).video)
    assert len(ask(address, "/v1/videos")["data"]) == len(jobs)
    ask(address, "/v1/videos", {"prompt": "red", "num_frames": 5})
    process.terminate()
    assert process.wait(60) == 143
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines() if line.startswith("{")]
    assert {"asked", "made"} <= {line["event"] for line in lines}
    assert {line["job"] for line in lines if line["event"] == "made"} >= set(jobs)
    assert not any("prompt" in line for line in lines)


def test_sigterm_ends_a_server_that_compiles_at_once(tmp_path, start, monkeypatch):
    monkeypatch.setenv("REELM_HOME", str(tmp_path / "cold"))
    monkeypatch.delenv("REELM_PROGRAMS", raising=False)
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    process, address = start(Path("demo"), tmp_path / "home")
    job = ask(address, "/v1/videos", {"prompt": "a red seven"})["id"]
    with urllib.request.urlopen(f"{address}/v1/videos/{job}/events", timeout=60) as waiting:
        waiting.readline()
        time.sleep(2)
        process.terminate()
        told = time.monotonic()
        assert process.wait(60) == 143
        assert time.monotonic() - told < 8  # one that waits for the compiler takes half a minute
    log = (tmp_path / "log").read_text()
    assert "reelm: terminated" in log and "terminate called" not in log and "warm:" not in log


def test_sigterm_ends_eight_jobs_and_a_page_that_stays_open_in_5_seconds_without_a_traceback(
    tiny_sound_model, tmp_path, start
):
    tiny_sound_model.save(tmp_path / "tiny")
    process, address = start(tmp_path / "tiny", tmp_path / "home")
    asked = {"prompt": "red", "num_frames": 10_000}
    jobs = [ask(address, "/v1/videos", asked)["id"] for _ in range(8)]
    with urllib.request.urlopen(f"{address}/v1/videos/{jobs[0]}/stream", timeout=240) as stream:
        stream.read(1)  # the programs are compiled
    host, port = address.removeprefix("http://").split(":")
    with (
        urllib.request.urlopen(f"{address}/v1/videos/{jobs[0]}/events", timeout=60) as events,
        socket.create_connection((host, int(port))) as paused,
        connect(f"ws://{host}:{port}/v1/live") as live,
    ):
        events.readline()
        paused.sendall(f"GET /v1/videos/{jobs[1]}/stream HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        live.send('{"prompt": "red"}')
        assert live.recv(timeout=60)
        process.terminate()
        told = time.monotonic()
        assert process.wait(60) == 143
        assert time.monotonic() - told < 5
    log = (tmp_path / "log").read_text()
    assert "reelm: terminated" in log and "Traceback" not in log
    _, address = start(tmp_path / "tiny", tmp_path / "home")
    assert {ask(address, f"/v1/videos/{job}")["status"] for job in jobs} <= {"queued", "in_progress"}


def refused(*arguments: object) -> str:
    command = [sys.executable, "-m", "reelm", "serve", *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1, ended.stderr
    return ended.stderr


def test_servers_that_cannot_be_are_refused_in_a_line(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "tiny")
    assert "--keys" in refused("--model", tmp_path / "tiny", "--host", "0.0.0.0", "--home", tmp_path / "home")
    assert "tokenizer without a language model" in refused("--model", "natural", "--home", tmp_path / "home")
    assert "--under-way is 0; it must be 1 or more" in refused("--model", tmp_path / "tiny", "--under-way", "0")
    assert "--price-per-kwh is 0" in refused("--model", tmp_path / "tiny", "--price-per-kwh", "0")
    assert "without a path" in refused("--model", tmp_path / "tiny", "--origin", "https://a.example/b")
    assert "two models 'demo'" in refused("--model", "demo", "demo", "--home", tmp_path / "home")
