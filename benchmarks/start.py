"""How long until the first clip? `python benchmarks/start.py first twelve many [--runs 5] [--beside CHECKOUT]`

- first: `reelm generate` from process start to file, with empty caches and with programs on disk; peak memory.
- twelve: twelve clips of 33 frames in one call, with empty caches.
- many: twenty processes start at once on empty caches, and one of them is killed; every other clip must be right, and
  so must be one that is made afterwards from what they left on disk.

With `--beside` each run of `first` and `twelve` alternates with one of another checkout. Prints JSON; ends with status
1 when a clip of `many` is wrong.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro
from machine import about

from reelm import Clip

ROOT = Path(__file__).resolve().parents[1]
PROMPTS = {"demo": "a red seven moves right", "emoji": "dog face"}
PROCESSES = 20


def begin(checkout: Path, home: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Begin `reelm generate`, with nothing of the user's caches."""
    caches = ("REELM_HOME", "REELM_PROGRAMS", "JAX_COMPILATION_CACHE_DIR", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if name not in caches}
    environment = kept | {"PYTHONPATH": str(checkout / "src"), "REELM_HOME": str(home)}
    command = [sys.executable, "-m", "reelm", "generate", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def timed(checkout: Path, home: Path, *arguments: str) -> tuple[float, float]:
    """Return the seconds from process start to end, and the peak memory in MB."""
    began = time.perf_counter()
    process = begin(checkout, home, *arguments)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, said.decode()
    return time.perf_counter() - began, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def compared(checkouts: list[Path], runs: int, kinds: dict[str, list[str]], again: bool) -> dict[str, Any]:
    """Time commands with empty caches and, with `again`, once more with what the first run left."""
    found: dict[str, list[tuple[float, float]]] = {}
    for run in range(runs):
        for name, arguments in kinds.items():
            for checkout in checkouts if run % 2 == 0 else checkouts[::-1]:
                with tempfile.TemporaryDirectory(prefix="reelm-start-") as folder:
                    home, file = Path(folder) / "home", f"{folder}/clip.mp4"
                    for state in ("empty", "kept")[: 1 + again]:
                        of = f"{name}, programs {state}" + (", beside" if checkout != ROOT else "")
                        found.setdefault(of, []).append(timed(checkout, home, *arguments, "-o", file))
    return {
        name: {
            "median_s": round(statistics.median(seconds for seconds, _ in each), 2),
            "peak_mb": round(max(peak for _, peak in each)),
            "all_s": [round(seconds, 2) for seconds, _ in each],
        }
        for name, each in found.items()
    }


def many() -> dict[str, Any]:
    """Start twenty processes at once, kill one, and look at every clip."""
    rng = random.Random(0)
    with tempfile.TemporaryDirectory(prefix="reelm-start-") as folder:
        files = [Path(folder) / f"{number}.mp4" for number in range(PROCESSES + 2)]
        timed(ROOT, Path(folder) / "other", PROMPTS["demo"], "-o", str(files[0]))  # undisturbed
        home = Path(folder) / "home"
        running = [begin(ROOT, home, PROMPTS["demo"], "-o", str(file)) for file in files[1:-1]]
        time.sleep(rng.uniform(20, 60))  # while programs are compiled and written
        killed = rng.randrange(PROCESSES)
        running[killed].kill()
        statuses = [process.wait() for process in running]
        for process in running:
            assert process.stderr is not None
            process.stderr.close()
        afterwards, _ = timed(ROOT, home, PROMPTS["demo"], "-o", str(files[-1]))
        others = [file for number, file in enumerate(files[1:-1]) if number != killed]
        right = sum(same(files[0], file) for file in others)
        return {
            "processes": PROCESSES,
            "killed_with": statuses[killed],
            "right_clips": right,
            "afterwards_s": round(afterwards, 2),
            "kept": right == len(others) and same(files[0], files[-1]),
        }


def same(expected: Path, file: Path) -> bool:
    """Whether a file holds the same pictures and sound."""
    one, other = (Clip.open(each) if each.exists() else None for each in (expected, file))
    if one is None or other is None or one.audio is None or other.audio is None:
        return False
    return np.array_equal(one.video, other.video) and np.array_equal(one.audio, other.audio)


def main(
    legs: Annotated[tuple[Literal["first", "twelve", "many"], ...], tyro.conf.Positional],
    runs: int = 5,
    beside: Path | None = None,
) -> None:
    """Run some legs.

    Args:
        legs: what to measure.
        runs: of each command.
        beside: another checkout, to alternate with.
    """
    checkouts = [ROOT, *([beside.resolve()] if beside else [])]
    found: dict[str, Any] = {"about": about()}
    if "first" in legs:
        kinds = {name: [prompt, "--model", name] for name, prompt in PROMPTS.items()}
        found["first"] = compared(checkouts, runs, kinds, again=True)
    if "twelve" in legs:
        twelve = {"twelve": [PROMPTS["demo"], "--num-samples", "12", "--num-frames", "33"]}
        found["twelve"] = compared(checkouts, runs, twelve, again=False)
    if "many" in legs:
        found["many"] = many()
    print(json.dumps(found, indent=1))
    sys.exit("many" in found and not found["many"]["kept"])


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
