"""Measure the time of a clip: `python benchmarks/generate.py [--model NAME|DIR] [--num-frames N] [--clips N]`.

It prints as JSON: seconds to load the model, seconds to the first clip (which compiles), and the median seconds of
later clips, for one clip at a time and for eight at once.
"""

import time
from dataclasses import dataclass
from itertools import count

import tyro
from harness import report, seconds

import reelm
from reelm.sampling.model import Model

PROMPT = "a red seven moves right"


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The settings to measure."""

    model: str | None = None
    """Shipped model or model folder; the default is "demo"."""
    num_frames: int = 17
    """Frames of a clip."""
    clips: int = 10
    """Clips, or batches, for the median."""


def clip_seconds(model: Model, asked: Arguments, samples: int, *, clips: int, warm: int) -> float:
    """Return the median time of a call from words to pixels on the host, each with another seed."""
    seeds = count()
    options = {"num_frames": asked.num_frames, "num_samples": samples}
    return seconds(lambda: model.generate(PROMPT, seed=next(seeds), **options), clips, warm=warm)


def main(asked: Arguments) -> None:
    started = time.perf_counter()
    model = reelm.load(asked.model)
    found = {"frames": asked.num_frames, "load_s": time.perf_counter() - started}
    found["first_clip_s"] = clip_seconds(model, asked, 1, clips=1, warm=0)
    found["warm_clip_s"] = clip_seconds(model, asked, 1, clips=asked.clips, warm=0)
    found["warm_clip_of_eight_s"] = clip_seconds(model, asked, 8, clips=asked.clips, warm=1) / 8
    report({name: round(value, 3) for name, value in found.items()})


if __name__ == "__main__":
    main(tyro.cli(Arguments))
