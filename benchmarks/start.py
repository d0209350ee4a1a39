"""Measure the time to the first clip: `python benchmarks/start.py [first] [twelve] [--runs 5] [--beside CHECKOUT]`

- first: `reelm generate` from process start to file, with empty caches and with cached programs; peak memory.
- twelve: twelve clips of 33 frames in one call, with empty caches.

With `--beside`, runs alternate with those of another checkout. Prints JSON.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from harness import report

ROOT = Path(__file__).resolve().parents[1]
PROMPTS = {"demo": "a red seven moves right", "emoji": "dog face"}


def timed(checkout: Path, home: Path, *arguments: str) -> tuple[float, float]:
    """Run `reelm generate` without the user's caches; return seconds from start to end, and peak MB."""
    caches = ("REELM_HOME", "REELM_PROGRAMS", "JAX_COMPILATION_CACHE_DIR", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if name not in caches}
    environment = kept | {"PYTHONPATH": str(checkout / "src"), "REELM_HOME": str(home)}
    command = [sys.executable, "-m", "reelm", "generate", *arguments]
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, said.decode()
    return time.perf_counter() - began, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def compared(checkouts: list[Path], runs: int, kinds: dict[str, list[str]], again: bool) -> dict[str, Any]:
    """Time commands with empty caches and, with `again`, a second time with the caches of the first run."""
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


def main(
    legs: Annotated[tuple[Literal["first", "twelve"], ...], tyro.conf.Positional] = ("first",),
    runs: int = 5,
    beside: Path | None = None,
) -> None:
    """Run some legs.

    Args:
        legs: parts to measure.
        runs: number of runs of each command.
        beside: another checkout, to alternate with.
    """
    checkouts = [ROOT, *([beside.resolve()] if beside else [])]
    found: dict[str, Any] = {}
    if "first" in legs:
        kinds = {name: [prompt, "--model", name] for name, prompt in PROMPTS.items()}
        found["first"] = compared(checkouts, runs, kinds, again=True)
    if "twelve" in legs:
        twelve = {"twelve": [PROMPTS["demo"], "--num-samples", "12", "--num-frames", "33"]}
        found["twelve"] = compared(checkouts, runs, twelve, again=False)
    report(found)


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
