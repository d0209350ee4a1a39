"""Measure the memory of long videos: `python benchmarks/memory.py [--frames 10000] [--seconds 60] ...`

It rebuilds a generated film from file to file, once 17 frames of it and once all, enlarges one, to 1920x1080 by
default, and streams a clip from words, once 17 frames and once a minute. Each runs in a separate process, whose peak is
measured. The peak of the long film is also taken after 300 frames, when all programs are compiled and all buffers full,
and that of the enlarged film after 120. Prints JSON. It ends with status 1 if after that point the long film takes half
of the size of its frames in uint8, or the enlarged one a tenth more, or if the minute takes 5% more than 17 frames. The
long film is measured every 100 frames, and its largest step is left out: a leak of frames grows again and again, while
an unlucky meeting of threads takes some memory once.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from harness import report

from reelm.media.formats.mp4 import write_video

_FULL, _EVERY, _BEGUN, _SIZE, _FPS, _RATE = 300, 100, 120, 128, 25, 16_000

# Program of a separate process: a task, then its peak in MB on the last line.
_PEAK = """
import json, resource, sys, time
unit = 1 if sys.platform == "darwin" else 1024
def peak():
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)
def tell(**more):
    print(json.dumps({"peak_mb": peak(), **more}))
"""
_REBUILD = """
from reelm.cli.main import main
from reelm.media import film
full, every, opened, seen = int(sys.argv[1]), int(sys.argv[2]), film.open_film, []
def watched(path, **options):
    def frames():
        for count, frame in enumerate(found.frames):
            if count >= full and count % every == 0:
                seen.append(peak())
            yield frame
    found = opened(path, **options)
    return found._replace(frames=frames())
film.open_film = watched
assert main(sys.argv[3:]) == 0
tell(**({"peak_when_full_mb": seen[0], "peaks_mb": [*seen, peak()]} if seen else {}))
"""
_STREAM = """
import reelm
model, started, seen = reelm.load(sys.argv[2] or None), time.perf_counter(), []
for piece in model.stream("a red seven moves right", num_frames=int(sys.argv[1])):
    seen.append(round(time.perf_counter() - started, 2))
tell(first_frames_s=seen[0], all_s=seen[-1])
"""


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The settings to measure."""

    frames: int = 10_000
    """Frames of the long film, 500 or more."""
    enlarged: int = 240
    """Frames of the film that is enlarged, more than 120."""
    height: int = 540
    """Height of that film, which is 16:9; it is made twice as high."""
    seconds: int = 60
    """Length of the long clip."""
    model: str | None = None
    """Shipped model or model folder; the default is "demo"."""


def drawn(frames: int, height: int = _SIZE, width: int = _SIZE) -> Iterator[np.ndarray]:
    """Yield frames of a disc that circles over a colour gradient."""
    rows, columns = np.mgrid[:height, :width]
    slope = np.stack([rows, columns, rows // 2 + columns // 2], axis=-1).astype(np.uint8)
    for t in range(frames):
        y, x = 64 + 40 * np.sin(t / 20), 64 + 40 * np.cos(t / 20)
        yield np.where(np.hypot(rows - y, columns - x)[..., None] < 16, np.uint8(255 - t % 64), slope)


def sound(frames: int) -> Iterator[np.ndarray]:
    """Yield a tone as long as `frames` frames."""
    for t in range(frames):
        times = np.arange(t * _RATE // _FPS, (t + 1) * _RATE // _FPS)
        yield 0.1 * np.sin(times * 0.2).astype(np.float32)[:, None].repeat(2, axis=1)


def peak(code: str, *arguments: str) -> dict[str, Any]:
    """Run code in a separate process, and return the figures that it prints."""
    ran = subprocess.run(
        [sys.executable, "-c", _PEAK + code, *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(ran.stdout.splitlines()[-1])


def main(arguments: Arguments) -> int:
    model = arguments.model or ""
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for frames in (17, arguments.frames):
            film, out = Path(folder, f"{frames}.mp4"), Path(folder, "out.mp4")
            write_video(film, drawn(frames), fps=_FPS, audio=sound(frames), sample_rate=_RATE)
            named = ("--model", model) if model else ()
            found[f"rebuild {frames} frames"] = peak(
                _REBUILD, str(_FULL), str(_EVERY), "reconstruct", str(film), "-o", str(out), *named
            )
        film, out = Path(folder, "film.mp4"), Path(folder, "out.mp4")
        write_video(film, drawn(arguments.enlarged, arguments.height, arguments.height * 16 // 9), fps=_FPS)
        begun = time.perf_counter()
        found["enlarge"] = peak(_REBUILD, str(_BEGUN), str(_BEGUN), "upscale", str(film), "-o", str(out))
        found["enlarge"]["seconds_per_frame"] = round((time.perf_counter() - begun) / arguments.enlarged, 2)
    for frames in (17, 8 * arguments.seconds):
        found[f"stream {frames} frames"] = peak(_STREAM, str(frames), model)
    _, long, larger, short, minute = found.values()
    steps = np.diff(long.pop("peaks_mb"))
    film = long["grown_mb_but_for_one_step"] = int(steps.sum() - steps.max())
    report(found)
    constant = minute["peak_mb"] < 1.05 * short["peak_mb"]
    constant &= larger["peak_mb"] < 1.1 * larger["peak_when_full_mb"]
    return 0 if film < (arguments.frames - _FULL) * 3 * _SIZE**2 / 1e6 / 2 and constant else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Arguments)))
