"""Compare parallel decoding with decoding one code at a time: `python benchmarks/parallel.py [--prompts N] ...`

It decodes captions of the test split in both ways, at three temperatures, with and without guidance, compares the
codes, and times both in turn. If matmuls of different shapes round differently (bfloat16, or a near tie in float32),
clips may differ. Prints JSON.
"""

import time
from dataclasses import dataclass, replace
from statistics import mean, median
from typing import Any

import numpy as np
import tyro
from harness import report, show

import reelm
from reelm.data.moving_digits.scenes import example
from reelm.media.clip import Clip
from reelm.sampling.decoding.program import lookahead_for
from reelm.sampling.model import Model


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The settings to measure."""

    model: str | None = None
    """Shipped model or model folder; the default is "demo"."""
    prompts: int = 50
    """Captions of the test split."""
    temperatures: tuple[float, ...] = (0.0, 0.7, 1.0)
    """Each is tried with every caption."""
    cfg_scales: tuple[float, ...] = (1.0, 2.0)
    """Each is tried with every caption; 1 is no guidance."""
    lookahead: int | None = None
    """Codes that parallel decoding reads at once; the default depends on the device."""
    dtype: str = "float32"
    """Number format of activations."""


def same_codes(one: Clip, other: Clip) -> bool:
    """Return whether two clips have the same codes, of pictures and of sound."""
    assert one.tokens is not None and other.tokens is not None
    return all(np.array_equal(one.tokens[name], other.tokens[name]) for name in ("video", "audio"))


def compare(model: Model, captions: list[str], temperature: float, cfg_scale: float) -> dict[str, Any]:
    """Return codes, forward passes and seconds of both ways, one clip at a time."""
    settings: dict[str, Any] = {"temperature": temperature, "cfg_scale": cfg_scale}
    took: dict[str, list[float]] = {"sequential": [], "parallel": []}
    for way in took:
        model.generate(captions[0], decoding=way, **settings)  # compiles
    same, forwards, sound_forwards = 0, [], []
    clips: dict[str, Clip] = {}
    for seed, caption in enumerate(captions):
        for way, times in took.items():
            started = time.perf_counter()
            clips[way] = model.generate(caption, seed=seed, decoding=way, **settings)
            times.append(time.perf_counter() - started)
        same += same_codes(clips["sequential"], clips["parallel"])
        forwards.append(clips["parallel"].info["forwards"])
        sound_forwards.append(clips["parallel"].info.get("sound_forwards", 0))
    tokens = clips["parallel"].tokens
    assert tokens is not None
    sequential, parallel = median(took["sequential"]), median(took["parallel"])
    row: dict[str, Any] = {**settings, "clips": len(captions), "same": same}
    row["fewer_forwards"] = round(tokens["video"].size / mean(forwards), 2)
    if any(sound_forwards):
        row["fewer_sound_forwards"] = round(len(tokens["audio"]) / mean(sound_forwards), 2)
    return row | {"sequential_s": sequential, "parallel_s": parallel, "faster": round(sequential / parallel, 2)}


def main(asked: Arguments) -> None:
    model = reelm.load(asked.model, dtype=asked.dtype)
    model = replace(model, defaults=replace(model.defaults, lookahead=asked.lookahead))
    captions = [example("test", index, 1)["captions"][0] for index in range(asked.prompts)]
    pairs = [(temperature, scale) for temperature in asked.temperatures for scale in asked.cfg_scales]
    rows = [show(compare(model, captions, *pair)) for pair in pairs]
    total = {name: sum(row[name] for row in rows) for name in ("clips", "same")}
    report({"dtype": asked.dtype, "lookahead": lookahead_for("parallel", asked.lookahead), **total, "rows": rows})


if __name__ == "__main__":
    main(tyro.cli(Arguments))
