"""Measure `reelm serve` under load: `python benchmarks/serve.py [together] [live] [soak] [--models demo emoji]`

It starts a server in a separate process and sends HTTP requests.

- together: eight requests, one after another and staggered; the time of both.
- live: an endless clip is played in real time; the number of stalls, and the delay of new words.
- soak: many clients send valid and invalid requests, cancel and delete; what is left open, and how memory grows.

Prints JSON; ends with status 1 when a limit is exceeded.
"""

import json
import random
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

import tyro
from harness import report
from websockets.sync.client import connect

PROMPTS = {
    "demo": ("a red seven moves right", "a blue two moves up", "a green nine and a red one", "zwei", ""),
    "emoji": ("woman running: dark skin tone", "a cat", "person swimming", "fire", "party"),
}


@dataclass
class Service:
    """A server in a separate process."""

    process: subprocess.Popen
    address: str
    home: Path

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Send a request; return status and body of the response."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = {} if data is None else {"Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def begin(self, body: dict[str, Any]) -> str:
        """Request a clip; return the id of its job."""
        status, answer = self.ask("POST", "/v1/videos", body)
        assert status == 202, answer
        return json.loads(answer)["id"]

    def end(self, job: str, seconds: float = 300.0) -> dict[str, Any]:
        """Wait until a job has ended, and return its last event."""
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
    """Start a server, and end it afterwards if it still runs."""
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


def together(models: tuple[str, ...], folder: Path, rng: random.Random, rounds: int = 5) -> dict[str, Any]:
    """Compare eight requests one after another with eight staggered ones."""
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
    """Play an endless clip in real time, with new words at intervals."""
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
                ahead.append(before / 8 - (now - first))  # seconds left to play when this piece came
                if words < now // 10:
                    words += 1
                    socket.send(json.dumps({"prompt": PROMPTS["demo"][words % 3], "cut": True}))
                    # New words are seen after the finished frames and the current piece are played.
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
    """Send requests from sixteen clients at the same time."""
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
    """Measure the memory of a process in MB every fifteen seconds until a moment."""
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


LEGS: dict[str, Callable[..., dict[str, Any]]] = {"together": together, "live": live, "soak": soak}


def main(
    legs: Annotated[tuple[Literal["together", "live", "soak"], ...], tyro.conf.Positional] = ("together", "live"),
    models: tuple[str, ...] = ("demo", "emoji"),
    seed: int = 0,
    minutes: float = 20.0,
) -> None:
    """Run some legs.

    Args:
        legs: parts to measure.
        models: shipped models to serve.
        seed: of requests and times.
        minutes: of the soak.
    """
    found: dict[str, Any] = {}
    for leg in legs:
        with tempfile.TemporaryDirectory(prefix="reelm-serve-") as folder:
            more = {"minutes": minutes} if leg == "soak" else {}
            found[leg] = LEGS[leg](models, Path(folder), random.Random(seed), **more)
    report(found)
    sys.exit(any(each.get("kept") is False for each in found.values()))


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
