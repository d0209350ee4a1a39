"""Measure decoding against the memory bandwidth: `python benchmarks/decode.py [--sizes 8b 1b] [--batches 1 32] ...`

When one code is decoded at a time, every step reads all weights and the filled part of the cache once. The fraction of
the limit is (those bytes / bandwidth) / the time of a step; the bandwidth is that of a large copy, measured just before
in the same run. Weights are random, since speed does not depend on them. Prints JSON.

On a CPU the sizes are "demo" and "toy", a net that takes seconds.
"""

import time
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from harness import TOY, report, seconds, show

from reelm import configs
from reelm.lm import size
from reelm.lm.layout import Layout
from reelm.lm.mesh import MeshSpec
from reelm.lm.net.config import LMConfig
from reelm.lm.net.transformer import init_params
from reelm.lm.parameters import NumberFormat, arrange, check_mesh, narrowed, unroll
from reelm.lm.prefix import Prefix
from reelm.lm.sharding import RULES_IN_USE, of_state
from reelm.sampling.decoding.choose import SamplingParams
from reelm.sampling.decoding.prefill import Prefill
from reelm.sampling.decoding.program import FrameProgram, span_for

STRIDE, FPS = 4, 8  # frames of a latent frame after the first, and of a second


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The settings to measure."""

    sizes: tuple[str, ...] = ("demo",) if jax.default_backend() == "cpu" else ("300m", "1b", "8b")
    """Presets of the language model, or "toy"."""
    batches: tuple[int, ...] = (1,) if jax.default_backend() == "cpu" else (1, 32)
    """Clips decoded together, without guidance."""
    weights: tuple[NumberFormat, ...] = ("float32",) if jax.default_backend() == "cpu" else ("bfloat16", "int8")
    """Number formats of the matrices."""
    positions: int | None = None if jax.default_backend() == "cpu" else 1500
    """Slots of a clip including its prefix; the default is that of the preset."""
    lookahead: int = 1
    """Codes read in one forward pass; above 1, guesses with random weights are wasted, but their time is measured."""
    clips: int = 3
    """Clips for the median."""
    mesh: str | None = None
    """Devices to cut the net over, such as tensor=8."""


def bandwidth() -> float:
    """Return the bytes a second, read and written, of a copy far larger than any cache."""
    count = (1 << 28 if jax.default_backend() == "cpu" else 1 << 32) // 4
    x = jnp.ones(count, jnp.float32)
    copy = jax.jit(lambda x: x + 1)
    return 2 * 4 * count / seconds(lambda: copy(x), 10)


def config_of(name: str, positions: int | None) -> tuple[LMConfig, Layout]:
    """Return the config of the net and the layout of a clip."""
    config = TOY if name == "toy" else configs.get("lm", name).model
    rows = {"toy": 2, "demo": 8}.get(name, 16)
    config = replace(config, frames=min(config.frames, 5), sound_levels=0, sound_frames=(0, 0))  # only pictures
    codes = config.frames * rows * rows
    if positions is not None:
        config = replace(config, prefix=positions - codes)
    return config, config.layout(config.frames, rows, rows)


def random_params(config: LMConfig, weights: NumberFormat, mesh: jax.sharding.Mesh | None) -> Any:
    """Return parameters for decoding, made leaf by leaf, because a large net fits no device in float32."""
    shards = 1 if mesh is None else mesh.shape["tensor"]
    shapes = jax.eval_shape(
        lambda: narrowed(arrange(config, unroll(init_params(config, jax.random.key(0))), shards), weights)
    )

    def make(shape: tuple[int, ...], dtype: Any, out: Any) -> jax.Array:
        def draw() -> jax.Array:
            if dtype == jnp.int8:
                return jax.random.randint(jax.random.key(0), shape, -127, 128, jnp.int8)
            spread = shape[0] ** -0.5 if len(shape) > 1 else 0.0
            return ((len(shape) == 1) * 1e-2 + spread * jax.random.normal(jax.random.key(0), shape, dtype)).astype(
                dtype
            )

        return jax.jit(draw, out_shardings=out)()

    if mesh is None:
        return jax.tree.map(lambda leaf: make(leaf.shape, leaf.dtype, None), shapes)
    layout = of_state(shapes, mesh, RULES_IN_USE)
    return jax.tree.map(lambda leaf, where: make(leaf.shape, leaf.dtype, where), shapes, layout)


def read_a_step(config: LMConfig, layout: Layout, params: Any, weights: NumberFormat, clips: int) -> float:
    """Return the bytes read to decode one code of each clip: matrices, and the cache, which is half full on average.

    Only rows of the tables of codes and words are read.
    """
    matrices = sum(leaf.nbytes for name in ("layers", "head") for leaf in jax.tree.leaves(params[name]))
    itemsize = 4 if weights == "float32" else 2
    live = layout.before + layout.codes // 2
    return matrices + size.cache_bytes(config, live, clips, itemsize)


def clip_seconds(
    config: LMConfig, layout: Layout, weights: NumberFormat, clips: int, arguments: Arguments
) -> tuple[float, float]:
    """Return the seconds of a clip and the bytes read a step."""
    mesh = None if arguments.mesh is None else MeshSpec.parse(arguments.mesh).build()
    if mesh is not None:
        check_mesh(config, dict(mesh.shape))
    dtype = jnp.dtype("float32" if weights == "float32" or jax.default_backend() == "cpu" else "bfloat16")
    params = random_params(config, weights, mesh)
    words = np.random.default_rng(0).integers(0, 256, (clips, config.prefix)).astype(np.int32)
    prefix = Prefix.of_words(words, layout.rows, layout.columns)
    keys = jax.random.split(jax.random.key(0), clips)
    sampling = SamplingParams.of(clips, cfg_scale=[1.0] * config.frames)
    prefill = Prefill(config, layout, layout.slots, arguments.lookahead, False, dtype)

    sizes = np.full(clips, layout.per_picture, np.int32)

    def clip(state: Any) -> Any:
        # Dispatched ahead, so the host waits only for the last latent frame.
        for i in range(layout.frames):
            span = span_for(i, layout.frames)
            program = FrameProgram(config, layout, span, "video", arguments.lookahead)
            _, _, state = program.draw(params, state, sizes, sampling)
        return jax.block_until_ready(state)

    with jax.set_mesh(mesh or MeshSpec().build(jax.devices()[:1])):
        times = []
        for _ in range(arguments.clips + 1):
            state = jax.block_until_ready(prefill.start(params, prefix, 0, keys, None))
            begun = time.perf_counter()
            clip(state)
            times.append(time.perf_counter() - begun)
    return median(times[1:]), read_a_step(config, layout, params, weights, clips)


def main(arguments: Arguments) -> None:
    rows = []
    for name in arguments.sizes:
        config, layout = config_of(name, arguments.positions)
        for weights in arguments.weights:
            for clips in arguments.batches:
                limit = bandwidth()
                took, read = clip_seconds(config, layout, weights, clips, arguments)
                row = {"size": name, "batch": clips, "weights": weights}
                row |= speeds(layout, clips, took / layout.codes, read / limit)
                rows.append(show(row | {"bandwidth_gb_per_s": limit / 1e9, "gb_read_per_step": read / 1e9}))
    report({"lookahead": arguments.lookahead, "mesh": arguments.mesh, "rows": rows})


def speeds(layout: Layout, clips: int, step: float, least: float) -> dict[str, float]:
    """Return the figures of decoding a code of each clip in `step` seconds; the memory limit is `least` seconds."""
    clips_per_second = clips / step / layout.codes
    return {
        "ms_per_code": 1e3 * step,
        "codes_per_second": clips / step,
        "share_of_limit": least / step,
        "clips_per_second": clips_per_second,
        "times_real_time": clips_per_second * (1 + STRIDE * (layout.frames - 1)) / FPS,
    }


if __name__ == "__main__":
    main(tyro.cli(Arguments))
