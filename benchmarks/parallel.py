"""Does parallel decoding give the same clips, and what does it save? `python benchmarks/parallel.py [--prompts N] ...`

Decodes captions of the test split one code at a time and in parallel, at three temperatures, with and without guidance,
and compares the codes. Where two clips differ, the first code that differs is looked at: `margin` is how far from
another draw its logits were; below 1e-4 it was a near tie, which float32 matmuls of different shapes may round to
either side. Then both ways are timed in turn. Prints JSON.
"""

import json
import platform
import time
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro

import reelm
from reelm.data.moving_digits.scenes import example
from reelm.lm.net import head, transformer
from reelm.lm.prefix import ClipCodes
from reelm.lm.prompts import prompt_prefix
from reelm.lm.specials import Group
from reelm.media.clip import Clip
from reelm.sampling.decoding.choose import guide, noise_of
from reelm.sampling.decoding.program import lookahead_for
from reelm.sampling.model import Model
from reelm.tokenizer.codes import ids_to_sub_tokens

NEAR_TIE = 1e-4


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to decode."""

    model: str | None = None
    """Shipped model or model folder; the default is "demo"."""
    prompts: int = 50
    """Captions of the test split."""
    temperatures: tuple[float, ...] = (0.0, 0.7, 1.0)
    """Each is tried with every caption."""
    cfg_scales: tuple[float, ...] = (1.0, 2.0)
    """Each is tried with every caption; 1 is no guidance."""
    lookahead: int | None = None
    """Codes that parallel decoding reads at once; the default suits the device."""
    dtype: str = "float32"
    """Number format of activations."""


def codes(clip: Clip) -> ClipCodes:
    """Of one row, with the sound of a model that has some."""
    assert clip.tokens is not None and clip.tokens["video"] is not None
    video, sound = clip.tokens["video"][None], clip.tokens["audio"]
    return ClipCodes.of_video(video) if sound is None else ClipCodes(video=video, sound=sound[None])


def first_difference(model: Model, one: ClipCodes, other: ClipCodes) -> int | None:
    """Place in the stream of the first code of either group that is not the same in both."""
    video, sound = (np.asarray(one.video) != other.video).reshape(1, -1), (one.sound != other.sound).any(axis=-1)
    layout = model.language_model().config.layout(*one.video.shape[1:])
    differs = np.asarray(layout.interleave(jnp.asarray(video), jnp.asarray(sound)))[0]
    return int(np.argmax(differs)) if differs.any() else None


def margin(model: Model, prompt: str, seed: int, clip: ClipCodes, place: int, temperature: float, cfg: float) -> float:
    """Smallest change of a logit, over the sub-tokens of the code at `place`, that would make it another one.

    Either the second best of those that min_p leaves, noise included, becomes the best; or the best, or one that would
    be better, passes the edge of min_p.
    """
    lm = model.language_model()
    config, (rows, columns) = lm.config, clip.video.shape[2:]
    layout = config.layout(*clip.video.shape[1:])
    is_sound = layout.interleave(jnp.zeros((1, clip.video.size), bool), jnp.ones(clip.sound.shape[:2], bool))[0]
    group: Group = "sound" if is_sound[place] else "video"
    video = ids_to_sub_tokens(jnp.asarray(clip.video).reshape(1, -1), config.code)
    of_group = jnp.asarray(clip.sound) if group == "sound" else video
    known = of_group[:, int(jnp.sum(is_sound[:place] == is_sound[place]))]
    noise = noise_of(jax.random.key(seed)[None], jnp.array([[place]]), config.split(group))
    both = []
    for words in (prompt, ""):
        prefix = prompt_prefix(config, lm.text, [words], rows=rows, columns=columns, fps=model.defaults.fps)
        hidden = transformer.forward_all(config, lm.params, layout, prefix, clip)[:, place]
        both.append([logits[0] for logits in head.all_logits(config, lm.params, group, hidden, known)])
    gaps = []
    for conditional, unconditional, of_value in zip(*both, noise, strict=True):
        guided = guide(
            jnp.stack([conditional, unconditional]), jnp.float32(cfg), jnp.float32(model.defaults.cfg_min_p)
        )[0]
        min_p = model.defaults.min_p if temperature else 0.0
        least = jnp.max(guided) + temperature * np.log(min_p) if min_p else -jnp.inf
        noisy = guided + temperature * of_value[0, 0]
        second, best = jnp.sort(jnp.where(guided >= least, noisy, -jnp.inf))[-2:]
        edge = jnp.min(jnp.where(noisy >= best, jnp.abs(guided - least), jnp.inf))
        gaps.append(float(jnp.minimum(best - second, edge)))
    return min(gaps)


def compare(model: Model, captions: list[str], temperature: float, cfg: float) -> dict[str, Any]:
    """Codes, forwards and seconds of both ways for each caption, one clip at a time."""
    settings: dict[str, Any] = {"temperature": temperature, "cfg_scale": cfg}
    ways = ("sequential", "parallel")
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    forwards, of_sound, differ = [], [], []
    for way in ways:
        model.generate(captions[0], decoding=way, **settings)  # compiles
    for seed, caption in enumerate(captions):
        clips = {}
        for way in ways:
            started = time.perf_counter()
            clips[way] = model.generate(caption, seed=seed, decoding=way, **settings)
            seconds[way].append(time.perf_counter() - started)
        forwards.append(clips["parallel"].info["forwards"])
        of_sound.append(clips["parallel"].info.get("sound_forwards", 0))
        one, other = (codes(clips[way]) for way in ways)
        if (place := first_difference(model, one, other)) is not None:
            gap = margin(model, caption, seed, one, place, temperature, cfg)
            differ.append({"prompt": caption, "seed": seed, "code": place, "margin": gap})
    size, frames = one.video.size, one.sound.shape[1]
    medians = {way: median(values) for way, values in seconds.items()}
    return {
        "temperature": temperature,
        "cfg_scale": cfg,
        "clips": len(captions),
        "same": len(captions) - len(differ),
        "near_ties": sum(each["margin"] < NEAR_TIE for each in differ),
        "differ": differ,
        "codes_a_clip": size,
        "forwards_a_clip": round(float(np.mean(forwards)), 1),
        "fewer_forwards": round(size / float(np.mean(forwards)), 2),
        "audio_frames_a_clip": frames,
        "fewer_sound_forwards": round(frames / float(np.mean(of_sound)), 2) if frames else None,
        "sequential_s": round(medians["sequential"], 4),
        "parallel_s": round(medians["parallel"], 4),
        "faster": round(medians["sequential"] / medians["parallel"], 2),
    }


def main(arguments: Arguments) -> dict[str, Any]:
    model = reelm.load(arguments.model, dtype=arguments.dtype)
    model = replace(model, defaults=replace(model.defaults, lookahead=arguments.lookahead))
    captions = [example("test", index, 1)["captions"][0] for index in range(arguments.prompts)]
    runs = [
        compare(model, captions, temperature, cfg)
        for temperature in arguments.temperatures
        for cfg in arguments.cfg_scales
    ]
    return {
        "device": f"{jax.devices()[0].device_kind} ({platform.machine()}, {jax.local_device_count()} device)",
        "jax": jax.__version__,
        "dtype": arguments.dtype,
        "lookahead": lookahead_for("parallel", arguments.lookahead),
        "clips": sum(run["clips"] for run in runs),
        "same": sum(run["same"] for run in runs),
        "near_ties": sum(run["near_ties"] for run in runs),
        "runs": runs,
    }


if __name__ == "__main__":
    print(json.dumps(main(tyro.cli(Arguments)), indent=2))
