"""How near decoding comes to the memory limit: `python benchmarks/decode.py [--sizes 8b 1b] [--batches 1 32] ...`

Reading one code at a time, every step reads all weights and the live part of the cache once. The share of the limit is
(those bytes / bandwidth) / the time of a step; the bandwidth is that of a large copy, measured in the same run just
before. Weights are random: speed does not depend on them. The peers are a Llama of the same shape, with a vocabulary as
large as our factorised head: Transformers by default and with a static cache and torch.compile, and a torch.compile
loop in the manner of gpt-fast; they run where torch is installed. Prints a table and writes JSON.

On a CPU the sizes are "demo" and "toy", a net that takes seconds.
"""

import importlib.util
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from machine import about  # beside this file

from reelm import configs
from reelm.lm import size
from reelm.lm.layout import Layout
from reelm.lm.mesh import MeshSpec
from reelm.lm.net.config import LMConfig
from reelm.lm.net.transformer import init_params, unroll
from reelm.lm.parameters import NumberFormat, arrange, check_mesh, narrowed
from reelm.lm.prefix import Prefix
from reelm.lm.sharding import RULES_IN_USE, of_state
from reelm.sampling.decoding.choose import Controls
from reelm.sampling.decoding.prefill import Prefill
from reelm.sampling.decoding.program import FrameProgram, span_for

STRIDE, FPS = 4, 8  # frames of a latent frame after the first, and of a second
_TOY = LMConfig(
    text_vocabulary=20, prefix=6, frames=2, width=64, layers=2, heads=4, kv_heads=2, head_width=16, hidden=128
)


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to time."""

    sizes: tuple[str, ...] = ("demo",) if jax.default_backend() == "cpu" else ("300m", "1b", "8b")
    """Presets of the language model, or "toy"."""
    batches: tuple[int, ...] = (1,) if jax.default_backend() == "cpu" else (1, 32)
    """Clips decoded together, without guidance."""
    weights: tuple[NumberFormat, ...] = ("float32",) if jax.default_backend() == "cpu" else ("bfloat16", "int8")
    """Number formats of the matrices."""
    positions: int | None = None if jax.default_backend() == "cpu" else 1500
    """Slots of a clip, the rest of which is prefix; the default is that of the preset."""
    lookahead: int = 1
    """Codes read in one forward; random weights repeat nothing, so above 1 this times wasted guesses."""
    clips: int = 3
    """Clips to take the median of."""
    peers: bool = True
    """Time the peers, too, where torch is installed."""
    mesh: str | None = None
    """Devices to cut the net over, such as tensor=8; peers are then left out."""
    json: Path | None = None
    """File to write the figures to."""


def seconds(run: Callable[[], Any], times: int) -> float:
    """Median time of a call, which is waited for; one call before warms up."""
    run()
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        run()
        found.append(time.perf_counter() - begun)
    return median(found)


def bandwidth() -> float:
    """Bytes a second, read and written, of a copy far larger than any cache on the way."""
    count = (1 << 28 if jax.default_backend() == "cpu" else 1 << 32) // 4
    x = jnp.ones(count, jnp.float32)
    copy = jax.jit(lambda x: x + 1)
    return 2 * 4 * count / seconds(lambda: copy(x).block_until_ready(), 10)


def config_of(name: str, positions: int | None) -> tuple[LMConfig, Layout]:
    """The net and a clip of it."""
    config = _TOY if name == "toy" else configs.get("lm", name).model
    rows = {"toy": 2, "demo": 8}.get(name, 16)
    config = replace(config, frames=min(config.frames, 5), sound_levels=0, sound_frames=(0, 0))  # pictures alone
    codes = config.frames * rows * rows
    if positions is not None:
        config = replace(config, prefix=positions - codes)
    return config, config.layout(config.frames, rows, rows)


def random_params(config: LMConfig, weights: NumberFormat, mesh: jax.sharding.Mesh | None) -> Any:
    """Parameters for decoding, made in place leaf by leaf: a large net fits no device in float32."""
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
    """Bytes that must be read to decode one more code of each clip: matrices, and half-filled on average the cache.

    Of tables that codes and words are looked up in, only rows are read.
    """
    matrices = sum(leaf.nbytes for name in ("layers", "head") for leaf in jax.tree.leaves(params[name]))
    itemsize = 4 if weights == "float32" else 2
    live = layout.before + layout.codes // 2
    return matrices + size.cache_bytes(config, live, clips, itemsize)


def ours(
    config: LMConfig, layout: Layout, weights: NumberFormat, clips: int, arguments: Arguments
) -> tuple[float, float]:
    """(seconds of a clip, bytes read a step)."""
    mesh = None if arguments.mesh is None else MeshSpec.parse(arguments.mesh).build()
    if mesh is not None:
        check_mesh(config, dict(mesh.shape))
    dtype = jnp.dtype("float32" if weights == "float32" or jax.default_backend() == "cpu" else "bfloat16")
    params = random_params(config, weights, mesh)
    words = np.random.default_rng(0).integers(0, 256, (clips, config.prefix)).astype(np.int32)
    prefix = Prefix.of_words(words, layout.rows, layout.columns)
    keys = jax.random.split(jax.random.key(0), clips)
    controls = Controls.of(clips, cfg_scale=[1.0] * config.frames)
    prefill = Prefill(config, layout, layout.slots, arguments.lookahead, False, dtype)

    sizes = np.full(clips, layout.per_picture, np.int32)

    def clip(state: Any) -> Any:
        # Dispatched ahead: the host waits for the last latent frame only.
        for i in range(layout.frames):
            span = span_for(i, layout.frames)
            program = FrameProgram(config, layout, span, "video", arguments.lookahead)
            _, _, state = program.draw(params, state, sizes, controls)
        return jax.block_until_ready(state)

    with jax.set_mesh(mesh or MeshSpec().build(jax.devices()[:1])):
        times = []
        for _ in range(arguments.clips + 1):
            state = jax.block_until_ready(prefill.start(params, prefix, 0, keys, None))
            begun = time.perf_counter()
            clip(state)
            times.append(time.perf_counter() - begun)
    return median(times[1:]), read_a_step(config, layout, params, weights, clips)


def main(arguments: Arguments) -> dict[str, Any]:
    packages = ("torch", "transformers")
    with_peers = arguments.peers and arguments.mesh is None and all(map(importlib.util.find_spec, packages))
    made = {
        **about(*packages if with_peers else ()),
        "lookahead": arguments.lookahead,
        "mesh": arguments.mesh,
        "rows": [],
    }
    for name in arguments.sizes:
        config, layout = config_of(name, arguments.positions)
        for weights in arguments.weights:
            for clips in arguments.batches:
                limit = bandwidth()
                took, read = ours(config, layout, weights, clips, arguments)
                what = {"size": name, "batch": clips, "weights": weights}
                found = [
                    {
                        **what,
                        "by": "reelm",
                        **speeds(layout, clips, took / layout.codes, read / limit),
                        "bandwidth_gb_per_s": limit / 1e9,
                        "gb_read_per_step": read / 1e9,
                    }
                ]
                if with_peers and weights != "int8":
                    from peers import torch_decode

                    for by, step in torch_decode.seconds_per_code(config, layout.before, layout.codes, weights, clips):
                        found.append({**what, "by": by, **speeds(layout, clips, step, read / limit)})
                show(found)
                made["rows"] += found
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(made, indent=2) + "\n")
    return made


def speeds(layout: Layout, clips: int, step: float, least: float) -> dict[str, float]:
    """Of a code of each clip in `step` seconds, where our net would take at least `least`."""
    clips_per_second = clips / step / layout.codes
    return {
        "ms_per_code": 1e3 * step,
        "codes_per_second": clips / step,
        "share_of_limit": least / step,
        "clips_per_second": clips_per_second,
        "times_real_time": clips_per_second * (1 + STRIDE * (layout.frames - 1)) / FPS,
    }


def show(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        what = f"{row['size']:>6} {row['weights']:>8} batch {row['batch']:<3} {row['by']:<28}"
        speed = f"{row['ms_per_code']:8.3f} ms/code {row['codes_per_second']:9.1f} codes/s"
        share = f"{row['share_of_limit']:5.0%} of the limit {row['times_real_time']:6.2f} x real time"
        print(what, speed, share, file=sys.stderr)


if __name__ == "__main__":
    print(json.dumps(main(tyro.cli(Arguments)), indent=2))
