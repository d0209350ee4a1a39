"""How long a clip takes: `python benchmarks/generate.py [--model NAME|DIR] [--num-frames N] [--clips N]`.

Prints, as JSON: the device, seconds to load the model, seconds to the first clip (which compiles), and the median
seconds of a clip after that, for one clip at a time and for eight at once.
"""

import json
import platform
import time
from dataclasses import dataclass
from statistics import median
from typing import Any

import jax
import tyro

import reelm
from reelm.sampling.model import Model

PROMPT = "a red seven moves right"


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to time."""

    model: str | None = None
    """Shipped model or model folder; the default is "demo"."""
    num_frames: int = 17
    """Frames of a clip."""
    clips: int = 10
    """Clips, or batches, to take the median of."""


def seconds(model: Model, arguments: Arguments, seed: int, samples: int = 1) -> float:
    """Time of one call from words to pixels on the host."""
    started = time.perf_counter()
    model.generate(PROMPT, num_frames=arguments.num_frames, seed=seed, num_samples=samples)
    return time.perf_counter() - started


def main(arguments: Arguments) -> dict[str, Any]:
    started = time.perf_counter()
    model = reelm.load(arguments.model)
    loaded = time.perf_counter() - started
    first = seconds(model, arguments, 0)
    warm = [seconds(model, arguments, seed) for seed in range(arguments.clips)]
    seconds(model, arguments, 0, samples=8)
    batches = [seconds(model, arguments, seed, samples=8) for seed in range(arguments.clips)]
    return {
        "device": f"{jax.devices()[0].device_kind} ({platform.machine()}, {jax.local_device_count()} device)",
        "jax": jax.__version__,
        "frames": arguments.num_frames,
        "load_s": round(loaded, 3),
        "first_clip_s": round(first, 3),
        "warm_clip_s": round(median(warm), 3),
        "warm_clip_of_eight_s": round(median(batches) / 8, 3),
    }


if __name__ == "__main__":
    print(json.dumps(main(tyro.cli(Arguments)), indent=2))
