"""What does `reelm serve` keep of its promises? `python benchmarks/serve.py equal together live [--models demo emoji]`

Starts a server in a process of its own and asks it over HTTP, as programs do.

- equal: requests of mixed models, lengths, seeds and guidance come at random; each clip must be that of `generate`.
- together: eight requests, one after another and staggered; how long either takes.
- live: an endless clip is played in real time; how often it stalls, and how soon new words are seen.
- soak: many clients ask well and badly, cancel and delete; what is left open, and how memory grows.
- kills: the server is killed (-9) time and again; every job must end, as the clip of its seed.
- energy: the sum over twenty clips, alone and in company, against one meter around all of them.

Prints JSON; ends with status 1 when a promise is broken.
"""

import json
import math
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro
from machine import about
from websockets.sync.client import connect

import reelm
from reelm import Clip
from reelm.energy import Meter

PROMPTS = {
    "demo": ("a red seven moves right", "a blue two moves up", "a green nine and a red one", "zwei", ""),
    "emoji": ("woman running: dark skin tone", "a cat", "person swimming", "fire", "party"),
}


_JOULES = ("energy_joules_total", "clip_energy_joules_sum")


@dataclass
class Service:
    """A server in a process of its own."""

    process: subprocess.Popen
    address: str
    home: Path

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Return status and body of an answer."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = {} if data is None else {"Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def begin(self, body: dict[str, Any]) -> str:
        """Ask for a clip; return the id of its job."""
        status, answer = self.ask("POST", "/v1/videos", body)
        assert status == 202, answer
        return json.loads(answer)["id"]

    def end(self, job: str, seconds: float = 300.0) -> dict[str, Any]:
        """Wait for the news that a job has ended, and return it."""
        with urllib.request.urlopen(f"{self.address}/v1/videos/{job}/events", timeout=seconds) as events:
            for line in events:
                name, _, value = line.decode().partition(": ")
                now = json.loads(value) if name == "data" else {}
                if now.get("status") in ("completed", "failed"):
                    return now
        raise AssertionError(f"the events of {job} end before it does")

    def figure(self, name: str) -> float:
        """Return a figure of /metrics."""
        lines = self.ask("GET", "/metrics")[1].decode().splitlines()
        return next(float(line.split()[-1]) for line in lines if line.startswith(name) and line[len(name)] in " {")


@contextmanager
def serving(models: tuple[str, ...], home: Path, *options: str, warm: bool = True) -> Iterator[Service]:
    """Start a server, and end it afterwards where it still runs."""
    command = [sys.executable, "-m", "reelm", "serve", "--port", "0", "--home", str(home)]
    command += [*(options or ("--warm-up", "all")), "--model", *models]
    with (home.parent / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    service = Service(process, process.stdout.readline().strip(), home)
    try:
        while not _answers(service) or (warm and service.ask("GET", "/readyz")[0] != 200):
            assert process.poll() is None, (home.parent / "log").read_text()
            time.sleep(0.05)
        yield service
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
        process.stdout.close()


def _answers(service: Service) -> bool:
    try:
        return service.ask("GET", "/healthz")[0] == 200
    except OSError:
        return False


def mixed(models: tuple[str, ...], rng: random.Random) -> dict[str, Any]:
    """Return a request as users send them."""
    model = rng.choice(models)
    body = {"model": model, "prompt": rng.choice(PROMPTS.get(model, ("a clip",))), "seed": rng.randrange(1000)}
    body["num_frames"] = rng.choice((1, 9, 13, 17, 25, 33))
    return body | rng.choice(({}, {}, {"cfg_scale": 2.0}, {"temperature": 0.8}, {"top_k": 20}))


def differs(job: str, body: dict[str, Any], home: Path, loaded: dict[str, Any]) -> bool:
    """Whether the clip of a job is another one than `generate` makes."""
    options = {name: value for name, value in body.items() if name not in ("model", "prompt")}
    with tempfile.TemporaryDirectory() as folder:
        loaded[body["model"]].generate(body["prompt"], **options).save(f"{folder}/clip.mp4")
        expected, found = Clip.open(f"{folder}/clip.mp4"), Clip.open(home / "jobs" / job / "clip.mp4")
    return not np.array_equal(expected.video, found.video)


def equal(models: tuple[str, ...], folder: Path, rng: random.Random, requests: int = 30) -> dict[str, Any]:
    """Ask for many clips at random moments, and compare each with that of `generate`."""
    asked = [mixed(models, rng) for _ in range(requests)]
    with serving(models, folder / "home") as service:
        jobs = []
        for body in asked:
            jobs.append(service.begin(body))
            time.sleep(rng.expovariate(4))
        ends = [service.end(job)["status"] for job in jobs]
        compiled = service.figure("reelm_compilations_after_warm_up")
        loaded = {name: reelm.load(name) for name in models}
        wrong = [body for job, body in zip(jobs, asked, strict=True) if differs(job, body, service.home, loaded)]
    return {
        "requests": requests,
        "completed": ends.count("completed"),
        "other_clips": wrong,
        "compilations_after_warm_up": compiled,
        "kept": ends.count("completed") == requests and not wrong,
    }


def together(models: tuple[str, ...], folder: Path, rng: random.Random, rounds: int = 5) -> dict[str, Any]:
    """Compare eight requests one after another with eight that come one soon after the other."""
    bodies = [{"model": models[0], "prompt": PROMPTS["demo"][seed % 3], "seed": seed} for seed in range(8)]
    spaces = {"at_once": 0.0, "each_0.05_s": 0.05, "each_0.1_s": 0.1}
    took: dict[str, list[float]] = {name: [] for name in ("one_after_another", *spaces)}
    with serving(models, folder / "home", "--warm-up", "usual") as service:
        for _ in range(rounds):
            began = time.monotonic()
            for body in bodies:
                service.end(service.begin(body))
            took["one_after_another"].append(time.monotonic() - began)
            for name, space in spaces.items():
                began = time.monotonic()
                with ThreadPoolExecutor(len(bodies)) as clients:
                    for body in bodies:
                        clients.submit(lambda body=body: service.end(service.begin(body)))
                        time.sleep(space)
                took[name].append(time.monotonic() - began)
    alone = statistics.median(took["one_after_another"])
    shares = {name: round(statistics.median(took[name]) / alone, 3) for name in spaces}
    return {"one_after_another_s": round(alone, 2), "shares": shares}


def live(models: tuple[str, ...], folder: Path, rng: random.Random, seconds: float = 60.0) -> dict[str, Any]:
    """Play an endless clip in real time, with new words now and then."""
    with serving(models, folder / "home", "--warm-up", "usual") as service:
        address = service.address.replace("http", "ws") + "/v1/live"
        began = time.monotonic()
        with connect(address, max_size=None) as socket, (folder / "live.mp4").open("wb") as film:
            socket.send(json.dumps({"prompt": PROMPTS["demo"][0], "seed": 1}))
            ahead, first, words, late = list[float](), 0.0, 0, list[float]()
            frames = 0
            while (now := time.monotonic() - began) < seconds:
                piece = socket.recv(timeout=30)
                assert isinstance(piece, bytes), piece
                now = time.monotonic() - began
                first = first or now
                film.write(piece)
                before = frames
                frames += piece.count(b"moof")
                ahead.append(before / 8 - (now - first))  # what was left to play when this piece came
                if words < now // 10:
                    words += 1
                    socket.send(json.dumps({"prompt": PROMPTS["demo"][words % 3], "cut": True}))
                    # Seen after all that is made, and the piece that is under way, are played.
                    late.append(frames / 8 - (now - first) + 4 / 8)
    stalls = sum(each < 0 for each in ahead[1:])
    return {
        "seconds": seconds,
        "first_picture_s": round(first, 2),
        "stalls": stalls,
        "least_left_to_play_s": round(min(ahead[1:]), 2),
        "new_words_seen_after_s": [round(each, 2) for each in late],
        "kept": stalls == 0 and first <= 1.0 and max(late) <= 1.5,
    }


def soak(models: tuple[str, ...], folder: Path, rng: random.Random, minutes: float = 20.0) -> dict[str, Any]:
    """Let sixteen clients ask at the same time."""
    took, answers, faults = list[float](), dict[int, int](), list[Any]()
    until = time.monotonic() + minutes * 60
    with serving(models, folder / "home") as service:

        def client(number: int) -> None:
            rng, mine = random.Random(number), None
            while time.monotonic() < until:
                body, deed = mixed(models, rng), rng.random()
                if deed < 0.15:
                    body |= rng.choice(({"num_frames": -1}, {"height": 17}, {"promt": "x"}, {"model": "none"}))
                began = time.monotonic()
                status, answer = service.ask("POST", "/v1/videos", body)
                answers[status] = answers.get(status, 0) + 1
                if status >= 500 or (deed < 0.15) != (status == 400) and status != 429:
                    faults.append((status, body, answer.decode()))
                if status != 202:
                    time.sleep(0.2)
                    continue
                mine = json.loads(answer)["id"]
                if deed < 0.25:
                    time.sleep(rng.random())
                    service.ask("POST", f"/v1/videos/{mine}/cancel")
                elif deed > 0.3:
                    now = service.end(mine)
                    took.append(time.monotonic() - began)
                    if now["status"] != "completed":
                        faults.append(now)
                service.ask("DELETE", f"/v1/videos/{mine}")

        process = Path(f"/proc/{service.process.pid}")
        clients = [threading.Thread(target=client, args=(number,)) for number in range(16)]
        before = _open(process)
        for each in clients:
            each.start()
        memory = _watched(process, until)
        for each in clients:
            each.join(300)
        time.sleep(8)
        after, left = _open(process), [path.name for path in (service.home / "jobs").iterdir()]
        compiled = service.figure("reelm_compilations_after_warm_up")
    log = (folder / "log").read_text()
    half = memory[len(memory) // 2 :]
    growth = max(half) / half[0] - 1
    points = statistics.quantiles(took, n=100)
    return {
        "minutes": minutes,
        "answers": answers,
        "clips": len(took),
        "seconds_p50_p95_p99": [round(points[n - 1], 2) for n in (50, 95, 99)],
        "faults": faults[:5],
        "errors_in_log": log.count('"level": "error"'),
        "files_left": len(left),
        "descriptors_and_threads": [before, after],
        "memory_mb": [round(each) for each in memory[:: max(1, len(memory) // 12)]],
        "growth_in_second_half": round(growth, 3),
        "compilations_after_warm_up": compiled,
        "kept": not faults and not left and '"level": "error"' not in log and growth <= 0.05,
    }


def _watched(process: Path, until: float) -> list[float]:
    """Return the memory of a process in MB, every fifteen seconds until a moment."""
    memory = []
    while time.monotonic() < until:
        time.sleep(min(15.0, max(0.0, until - time.monotonic())))
        memory.append(_resident(process))
    return memory


def _open(process: Path) -> tuple[int, int]:
    return len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))


def _resident(process: Path) -> float:
    lines = (process / "status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmRSS"))


def kills(models: tuple[str, ...], folder: Path, rng: random.Random, times: int = 20) -> dict[str, Any]:
    """Kill the server at random moments, and look for every job that it took."""
    home, taken = folder / "home", list[tuple[str, dict[str, Any]]]()
    for _ in range(times):
        with serving(models, home, warm=False) as service:
            for _ in range(2):
                body = mixed(models, rng)
                taken.append((service.begin(body), body))
            time.sleep(rng.uniform(0, 6))
            os.kill(service.process.pid, signal.SIGKILL)
            service.process.wait(30)
    with serving(models, home) as service:
        ends = [service.end(job, 600)["status"] for job, _ in taken]
        listed, after = list[str](), ""
        while page := json.loads(service.ask("GET", f"/v1/videos?limit=100{after}")[1]):
            listed += [job["id"] for job in page["data"]]
            if not page["has_more"]:
                break
            after = f"&after={page['last_id']}"
    loaded = {name: reelm.load(name) for name in models}
    wrong = [body for job, body in taken if differs(job, body, home, loaded)]
    return {
        "kills": times,
        "jobs": len(taken),
        "completed": ends.count("completed"),
        "twice_or_lost": len(listed) != len(set(listed)) or set(listed) != {job for job, _ in taken},
        "other_clips": wrong,
        "kept": ends.count("completed") == len(taken) and not wrong and len(listed) == len(taken),
    }


def energy(models: tuple[str, ...], folder: Path, rng: random.Random, clips: int = 20) -> dict[str, Any]:
    """Compare the energy that clips name with that of one meter: of `generate`, and of a server."""
    model, shares = reelm.load(models[0]), {}
    bodies = [{"model": models[0], "prompt": PROMPTS["demo"][seed % 3], "seed": seed} for seed in range(clips)]
    model.generate(PROMPTS["demo"][0])
    meter = Meter()
    made = [model.generate(body["prompt"], seed=body["seed"]) for body in bodies]
    shares["generate"] = sum(clip.info["energy"]["joules"] for clip in made) / (meter.read() or math.nan)
    with serving(models, folder / "home", "--warm-up", "usual") as service:
        first = service.end(service.begin(bodies[0]))
        assert first["status"] == "completed", first
        for name, workers in (("one_after_another", 1), ("together", clips)):
            before, clips_before = (service.figure(f"reelm_{name}") for name in _JOULES)
            with ThreadPoolExecutor(workers) as clients:
                list(clients.map(lambda body: service.end(service.begin(body)), bodies))
            after, clips_after = (service.figure(f"reelm_{name}") for name in _JOULES)
            shares[name] = (clips_after - clips_before) / (after - before)
    about = made[0].info["energy"] | {"joules": round(statistics.median(c.info["energy"]["joules"] for c in made), 2)}
    kept = all(abs(share - 1) <= 0.02 for share in shares.values())
    shares = {name: round(share, 4) for name, share in shares.items()}
    return {"median_clip": about, "share_of_one_meter": shares, "kept": kept}


LEGS: dict[str, Callable[..., dict[str, Any]]] = {
    "equal": equal,
    "together": together,
    "live": live,
    "soak": soak,
    "kills": kills,
    "energy": energy,
}


def main(
    legs: Annotated[tuple[Literal["equal", "together", "live", "soak", "kills", "energy"], ...], tyro.conf.Positional],
    models: tuple[str, ...] = ("demo", "emoji"),
    seed: int = 0,
    minutes: float = 20.0,
) -> None:
    """Run some legs.

    Args:
        legs: what to measure.
        models: shipped models to serve.
        seed: of requests and moments.
        minutes: of the soak.
    """
    found: dict[str, Any] = {"about": about()}
    for leg in legs:
        with tempfile.TemporaryDirectory(prefix="reelm-serve-") as folder:
            more = {"minutes": minutes} if leg == "soak" else {}
            found[leg] = LEGS[leg](models, Path(folder), random.Random(seed), **more)
        print(leg, json.dumps(found[leg]), file=sys.stderr)
    print(json.dumps(found, indent=1))
    sys.exit(any(each.get("kept") is False for each in found.values()))


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
