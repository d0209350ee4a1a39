"""Measure the speed of a world: `python benchmarks/play.py [alone] [together] [socket] [memory] [--model crafter]`

- alone: `PlaySession.step` with random keys; steps a second.
- together: one player of a server and then two, at full speed; steps a second of each.
- socket: a player of a server in real time; seconds from the press of a key to the PNG of its frame.
- memory: resident memory while an hour of the world's time is played.

Prints JSON.
"""

import json
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro
from harness import report
from serve import Service, serving
from websockets.sync.client import ClientConnection, connect

import reelm
from reelm.sampling.play import PlaySession

_WARM = 24  # steps that are not timed, in which the window moves and all programs are compiled
_FASTEST = 8
_MEASURED = 12  # number of memory measurements


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The settings to measure."""

    legs: tyro.conf.Positional[tuple[Literal["alone", "together", "socket", "memory"], ...]] = (
        "alone",
        "together",
        "socket",
    )
    """Parts to run."""
    model: str = "crafter"
    """World model to play."""
    seconds: float = 20.0
    """Seconds in which steps are counted."""
    presses: int = 100
    """Number of keys that are timed."""
    hours: float = 1.0
    """Time of the world during which memory is measured."""


def alone(asked: Arguments, rng: random.Random) -> dict[str, Any]:
    """Play in this process at full speed."""
    world = reelm.load(asked.model).play(seed=1)
    _walk(world, rng, _WARM)
    steps, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < asked.seconds:
        _walk(world, rng, 1)
        steps += 1
    return {"steps": steps, "steps_a_second": round(steps / took, 1)}


def together(asked: Arguments, rng: random.Random) -> dict[str, Any]:
    """Play with one client, then with two at once."""
    found: dict[str, Any] = {}
    with _server(asked.model) as service:
        for players in (1, 2):
            with ThreadPoolExecutor(players) as clients:
                rates = [
                    each.result()
                    for each in [clients.submit(_rate, service, rng, asked.seconds) for _ in range(players)]
                ]
            found[f"steps_a_second_of_{players}"] = [round(rate, 1) for rate in rates]
    return found


def socket(asked: Arguments, rng: random.Random) -> dict[str, Any]:
    """Press keys at random moments, in real time."""
    took = list[float]()
    with _server(asked.model) as service, _playing(service, seed=1) as player:
        keys = player.hello["keys"][:4]
        player.see(2 * _WARM)
        while len(took) < asked.presses:
            player.until(time.monotonic() + rng.uniform(0.2, 0.5))
            pressed = time.monotonic()
            player.say(keys=[rng.choice(keys)])
            while not player.step()["keys"]:
                pass
            took.append(time.monotonic() - pressed)
            player.say(keys=[])
    return _latency(took)


def memory(asked: Arguments, rng: random.Random) -> dict[str, Any]:
    """Play an hour of the world's time, and measure the memory of the process at intervals."""
    loaded = reelm.load(asked.model)
    stride = loaded.video_tokenizer.config.time_stride
    world, steps = loaded.play(seed=1), int(3600 * asked.hours * loaded.defaults.fps / stride)
    _walk(world, rng, _WARM)
    seen = [_resident_mb()]
    for _ in range(_MEASURED):
        _walk(world, rng, steps // _MEASURED)
        seen.append(_resident_mb())
        print(f"{seen[-1]} MB", file=sys.stderr)
    return {"steps": steps // _MEASURED * _MEASURED, "resident_mb": seen}


def _walk(world: PlaySession, rng: random.Random, steps: int) -> None:
    for _ in range(steps):
        world.step(keys=rng.sample(world.keys[:5], 1) if rng.random() < 0.8 else [])


def _resident_mb() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 2**20)


def _latency(took: list[float]) -> dict[str, Any]:
    ordered = sorted(1000 * each for each in took)
    return {
        "presses": len(ordered),
        "median_ms": round(statistics.median(ordered), 1),
        "p95_ms": round(ordered[int(0.95 * (len(ordered) - 1))], 1),
        "most_ms": round(ordered[-1], 1),
    }


class _Player:
    """A client that plays."""

    def __init__(self, socket: ClientConnection):
        self._socket = socket
        self.hello: dict[str, Any] = json.loads(socket.recv(timeout=120))["hello"]

    def say(self, **message: Any) -> None:
        self._socket.send(json.dumps(message))

    def step(self, timeout: float = 120.0) -> dict[str, Any]:
        """Receive a step and its frames."""
        step = json.loads(self._socket.recv(timeout=timeout))
        for _ in range(self.hello["frames"] if step["step"] else 1):
            self._socket.recv(timeout=120)
        return step

    def see(self, steps: int) -> None:
        for _ in range(steps):
            self.step()

    def until(self, moment: float) -> None:
        """Receive steps until a moment."""
        while (left := moment - time.monotonic()) > 0:
            try:
                self.step(left)
            except TimeoutError:
                return


@contextmanager
def _playing(service: Service, **first: Any) -> Iterator[_Player]:
    with connect(service.address.replace("http", "ws") + "/v1/live", max_size=None) as socket:
        player = _Player(socket)
        player.say(**first)
        assert player.step()["step"] == 0
        yield player


@contextmanager
def _server(model: str) -> Iterator[Service]:
    with tempfile.TemporaryDirectory() as folder, serving((model,), Path(folder, "home")) as service:
        yield service


def _rate(service: Service, rng: random.Random, seconds: float) -> float:
    """Return the steps a second of a player who presses keys all the time."""
    with _playing(service, seed=rng.randrange(1000), speed=_FASTEST) as player:
        steps, until = -_WARM, float("inf")
        began = time.monotonic()
        while time.monotonic() < until:
            player.say(keys=[rng.choice(player.hello["keys"][:5])])
            player.step()
            steps += 1
            if steps == 0:
                began = time.monotonic()
                until = began + seconds
        return steps / (time.monotonic() - began)


_LEGS = {"alone": alone, "together": together, "socket": socket, "memory": memory}

if __name__ == "__main__":
    asked = tyro.cli(Arguments)
    report({leg: _LEGS[leg](asked, random.Random(0)) for leg in asked.legs})
