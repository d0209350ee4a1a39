"""A hunt for faults: arguments, Python calls, files of every format that is read, requests to a server.

    python benchmarks/hunt.py                             # one minute
    python benchmarks/hunt.py --minutes 60 --seed 3
    python benchmarks/hunt.py --only files --case 17      # one case again, with its traceback; its files stay
    python benchmarks/hunt.py media --files 100           # films as FFmpeg reads them (hunting/compared.py)

A fault is an exception other than RequestError (and TypeError for the name of an argument), status 1, an answer of 500,
a message of several lines, a minute without an end, more memory than `_MOST_BYTES`, an output that is not whole, and a
file that is touched or left behind where nothing should be. Each kind of fault is printed once, as a line of JSON that
says how to see it again; the last line counts. Ends with status 1 when there were any.
"""

import contextlib
import json
import os
import random
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import tyro
from hunting.area import Area, furnish
from hunting.judge import Fault, Judge

Hunter = Literal["commands", "calls", "files", "requests", "folders"]
_SHARES: dict[Hunter, int] = {"commands": 3, "calls": 4, "files": 4, "requests": 3, "folders": 1}  # of the cases
_ATTEMPTS = 25  # of a case
_HANG_SECONDS = 60.0
_START_SECONDS = 240.0
_MOST_BYTES = 4 * 2**30  # a process of JAX, and a clip that takes the budget of 2 GiB


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """How long to hunt, and where."""

    minutes: float = 1.0
    """Time of the hunt."""
    seed: int = 0
    """What is tried: the same seed tries the same things."""
    only: Hunter | None = None
    """One hunter alone."""
    case: int | None = None
    """One case of that hunter alone."""


def main() -> int:
    """Hunt, and return the status."""
    asked = tyro.cli(Arguments)
    if asked.case is not None:
        return _again(asked)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that no worker outlives it
    known: set[str] = set()
    attempts, faults = Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        area = _furnished(Path(place))
        until, hunters = time.monotonic() + 60 * asked.minutes, {}
        for name in _schedule(asked.only):
            if time.monotonic() > until:
                break
            if name not in hunters:
                hunters[name] = stack.enter_context(contextlib.closing(_Worker(name, area, asked.seed)))
            case, tried, found = hunters[name].next()
            attempts[name] += tried
            for fault in found:
                faults[name] += 1
                kind = f"{name} {fault['where'] or fault['what'][:60]}"
                if kind not in known:
                    known.add(kind)
                    again = f"python benchmarks/hunt.py --seed {asked.seed} --only {name} --case {case}"
                    print(json.dumps({"hunter": name, **fault, "again": again}), flush=True)
    told = {"minutes": asked.minutes, "seed": asked.seed, "attempts": dict(attempts), "faults": dict(faults)}
    print(json.dumps(told | {"kinds": len(known)}))
    return int(bool(faults))


def _schedule(only: Hunter | None) -> Iterator[Hunter]:
    """Yield the hunter of each case, without end."""
    names: list[Hunter] = [only] if only else list(get_args(Hunter))
    while True:
        for name in names:
            yield from [name] * (1 if only else _SHARES[name])


def _furnished(place: Path) -> Area:
    area = Area(place)
    subprocess.run([sys.executable, __file__, "furnish", str(place)], env=area.environment(), check=True)
    return area


class _Worker:
    """A process that tries the cases of one hunter; it is replaced when it dies, hangs or takes too much memory."""

    def __init__(self, name: Hunter, area: Area, seed: int):
        self._name, self._area, self._seed, self._case = name, area, seed, 0
        self._process: subprocess.Popen[bytes] | None = None

    def next(self) -> tuple[int, int, list[dict[str, str]]]:
        """Try the next case; return its number, how much was tried, and the faults that were found."""
        self._case += 1
        process = self._process = self._process or self._started()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"{self._case}\n".encode())
        process.stdin.flush()
        about, rest, heard, patience = "its start", b"", time.monotonic(), _START_SECONDS
        tried, watched = 0, [process.pid]

        def lost(what: str) -> tuple[int, int, list[dict[str, str]]]:
            self.close()
            return (
                self._case,
                tried,
                [{"what": what, "about": about, "where": re.sub("[0-9.]+", "", what) + about[:40]}],
            )

        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while True:
                if selector.select(0.25):
                    data = os.read(process.stdout.fileno(), 65536)
                    if not data:
                        return lost(f"the process died with status {process.wait()}")
                    *lines, rest = (rest + data).split(b"\n")
                    for line in map(json.loads, lines):
                        heard, patience = time.monotonic(), _HANG_SECONDS
                        if "done" in line:
                            return self._case, tried, line["done"]
                        about, watched, tried = line["begin"], [process.pid, *line["watched"]], tried + 1
                if time.monotonic() - heard > patience:
                    return lost(f"no end after {patience:.0f} s")
                if (taken := max(map(_memory, watched))) > _MOST_BYTES:
                    return lost(f"it took {taken / 2**30:.1f} GiB of memory")

    def _started(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, __file__, "work", self._name, str(self._area.root), str(self._seed)]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, env=self._area.environment(), start_new_session=True, **pipes)

    def close(self) -> None:
        """End the process and those that it started."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, 9)
            self._process.wait()
            self._process = None


def _memory(process: int) -> int:
    """Return the bytes that a process has in memory; 0 for one that is gone."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def work(name: Hunter, place: Path, seed: int) -> None:
    """Try the cases whose numbers come on stdin, and say on stdout what is tried and what was found."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is printed must not pass for an answer
    watched: list[int] = []
    begin = lambda about: print(json.dumps({"begin": about, "watched": watched}), file=answers)  # noqa: E731
    area = Area(place)
    area.begin()
    case = _hunter(name, Judge(area, begin), watched)
    for line in sys.stdin:
        found = [each.told() for each in case(random.Random(f"{seed} {name} {int(line)}"))]
        print(json.dumps({"done": found}), file=answers)


Case = Callable[[random.Random], Iterator[Fault]]


def _hunter(name: Hunter, judge: Judge, watched: list[int]) -> Case:
    """Return the function that tries a case with random numbers and yields the faults."""
    if name in ("commands", "calls"):
        return _by_hypothesis(name, judge)
    if name == "files":
        from hunting.files import Files as Kind
    elif name == "requests":
        from hunting.requests import Requests as Kind
    else:
        from hunting.folders import Folders as Kind
    hunter = Kind(judge)
    if name == "requests":
        watched.append(hunter.server)  # type: ignore[union-attr]

    def case(rng: random.Random) -> Iterator[Fault]:
        for _ in range(1 if name == "folders" else _ATTEMPTS):
            try:
                judge.area.begin()
                hunter.attempt(rng)
            except Fault as fault:
                yield fault

    return case


def _by_hypothesis(name: Hunter, judge: Judge) -> Case:
    """Return the function that draws examples, and shrinks the first that is a fault."""
    import hypothesis
    from hunting import commands
    from hunting.calls import Caller, calls

    drawn: Any = commands.command_lines() if name == "commands" else calls()
    caller = Caller(judge) if name == "calls" else None

    def attempt(drawn: Any) -> None:
        judge.area.begin()
        caller.attempt(drawn) if caller is not None else commands.attempt(judge, drawn)

    settings = hypothesis.settings(
        max_examples=_ATTEMPTS,
        deadline=None,
        database=None,
        print_blob=False,
        report_multiple_bugs=False,
        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
        suppress_health_check=list(hypothesis.HealthCheck),
    )

    def case(rng: random.Random) -> Iterator[Fault]:
        try:
            hypothesis.seed(rng.getrandbits(64))(settings(hypothesis.given(drawn)(attempt)))()
        except Fault as fault:
            yield fault

    return case


def _again(asked: Arguments) -> int:
    """Try one case in this process, print its traceback and leave its files."""
    place = Path(tempfile.mkdtemp(prefix="hunt-"))
    area = _furnished(place)
    os.environ |= area.environment()
    sys.path.append(os.environ["PYTHONPATH"])
    area.begin()
    assert asked.only is not None, "--case is one of --only"
    judge = Judge(area, lambda about: print(about, file=sys.stderr))
    for fault in _hunter(asked.only, judge, [])(random.Random(f"{asked.seed} {asked.only} {asked.case}")):
        traceback.print_exception(fault)
        print(json.dumps(fault.told()))
        print(f"its files are in {area.work}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["furnish"]:
        furnish(Area(Path(sys.argv[2])))
    elif sys.argv[1:2] == ["work"]:
        work(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))  # type: ignore[arg-type]
    elif sys.argv[1:2] == ["media"]:
        from hunting.compared import main as compare

        sys.exit(compare(sys.argv[2:]))
    else:
        sys.exit(main())
