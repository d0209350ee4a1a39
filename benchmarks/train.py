"""How fast the language model trains: `python benchmarks/train.py [--sizes 1b] [--batch 8] [--mesh fsdp=8] ...`

Times whole steps, optimizer and average included, on random codes, and gives samples, positions and model FLOP/s, and
the share of the device's peak (MFU; PaLM, arXiv 2204.02311, appendix B): 6 FLOPs a position for each parameter of a
matrix, and attention's, causal, half of a full one. What is computed again to save memory does not count. With torch a
Llama of the same shape is trained beside it, compiled, with scaled_dot_product_attention. Prints a table, writes JSON.

On a CPU the size is "toy", a net that takes seconds.
"""

import importlib.util
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import jax
import numpy as np
import tyro
from machine import about  # beside this file

from reelm import configs
from reelm.lm.mesh import MeshSpec
from reelm.lm.net.config import LMConfig
from reelm.lm.net.fused_attention import Kernel
from reelm.lm.net.transformer import Remat
from reelm.lm.prefix import ClipCodes, Prefix
from reelm.train.lm.config import LMRun
from reelm.train.lm.loss import make_loss
from reelm.train.lm.run import build
from reelm.train.run.throughput import peak_flops
from reelm.train.step import feed

_TOY = LMConfig(
    text_vocabulary=20, prefix=6, frames=2, width=64, layers=2, heads=4, kv_heads=2, head_width=16, hidden=128
)


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to time."""

    sizes: tuple[str, ...] = ("toy",) if jax.default_backend() == "cpu" else ("300m", "1b")
    """Presets of the language model, or "toy"."""
    batch: int = 8
    """Clips a step, over all devices."""
    positions: int = 32 if jax.default_backend() == "cpu" else 2048
    """Slots of a sample: 5 latent frames of 16 x 16 codes (of the toy: 2 of 2 x 2), the rest of it prefix."""
    steps: int = 10
    """Steps to take the median of."""
    attention: Kernel | None = None
    """Kernel of attention; the default is the fused one of the device where it has one."""
    remat: Remat = "full"
    """What a layer keeps for the way back."""
    accumulate: int = 1
    """Parts that a batch goes through in."""
    mesh: str | None = None
    """The devices, such as fsdp=8; the default is one."""
    peers: bool = True
    """Time torch, too, where it is installed."""
    json: Path | None = None
    """File to write the figures to."""


def run_of(name: str, arguments: Arguments) -> tuple[LMRun, tuple[int, ...]]:
    """The run, and the shape of a batch of codes."""
    run = LMRun(model=_TOY) if name == "toy" else configs.get("lm", name)
    grid = (2, 2, 2) if name == "toy" else (5, 16, 16)
    silent: Any = {"sound_levels": 0, "sound_frames": (0, 0)}
    model = replace(run.model, frames=grid[0], prefix=arguments.positions - int(np.prod(grid)), **silent)
    run = replace(run, model=model, attention=arguments.attention or "auto", remat=arguments.remat)
    return replace(run, accumulate=arguments.accumulate), (arguments.batch, *grid)


def flops_of_a_sample(config: LMConfig, matrices: int, slots: int) -> float:
    """Of the model, forward and backward."""
    attention = 12 * config.layers * config.heads * config.head_width * slots / 2
    return slots * (6 * matrices + attention)


def ours(name: str, arguments: Arguments) -> dict[str, Any]:
    run, shape = run_of(name, arguments)
    if arguments.mesh is None:
        mesh = MeshSpec().build(jax.devices()[:1])
    else:
        run = replace(run, mesh=MeshSpec.parse(arguments.mesh))
        mesh = run.mesh.build()
    state, _, step = build(run, make_loss(run), mesh, {})
    rng = np.random.default_rng(0)
    words = rng.integers(0, 256, (shape[0], run.model.prefix)).astype(np.int32)
    codes = rng.integers(0, 1 << run.model.bits, shape).astype(np.int32)
    batch = {"prefix": Prefix.of_words(words, *shape[2:]), "codes": ClipCodes.of_video(codes)}
    # Of tables that words and codes are looked up in no matmul is made.
    matrices = sum(leaf.size for part in ("layers", "head") for leaf in jax.tree.leaves(state.params[part]))
    times = []
    for _ in range(arguments.steps + 2):
        begun = time.perf_counter()
        state, metrics = step(state, feed.place(batch, mesh))
        jax.block_until_ready(metrics["loss"])
        times.append(time.perf_counter() - begun)
    flops = arguments.batch * flops_of_a_sample(run.model, matrices, arguments.positions)
    return figures(name, "reelm", median(times[2:]), arguments, flops, mesh.size)


def figures(name: str, by: str, seconds: float, arguments: Arguments, flops: float, devices: int) -> dict[str, Any]:
    """One row."""
    peak = peak_flops() / len(jax.devices()) * devices
    row = {
        **{"size": name, "by": by, "batch": arguments.batch, "positions": arguments.positions},
        **{"ms_per_step": 1e3 * seconds, "samples_per_second": arguments.batch / seconds},
        "positions_per_second": arguments.batch * arguments.positions / seconds,
        "tflops_per_second": flops / seconds / 1e12,
        "mfu": flops / seconds / peak if peak else None,
    }
    mfu = f"MFU {row['mfu']:.0%}" if peak else "peak of the device unknown"
    print(
        f"{name:>6} {by:<16} batch {arguments.batch} x {arguments.positions}: {row['ms_per_step']:9.2f} ms/step "
        f"{row['positions_per_second']:10.0f} positions/s {row['tflops_per_second']:8.3f} TFLOP/s  {mfu}",
        file=sys.stderr,
    )
    return row


def main(arguments: Arguments) -> dict[str, Any]:
    with_peers = arguments.peers and arguments.mesh is None and importlib.util.find_spec("torch") is not None
    made = {**about(*("torch",) if with_peers else ()), "mesh": arguments.mesh, "rows": []}
    for name in arguments.sizes:
        made["rows"].append(ours(name, arguments))
        if with_peers:
            from peers import torch_train

            run, _ = run_of(name, arguments)
            seconds, matrices = torch_train.seconds_per_step(
                run.model, arguments.batch, arguments.positions, run.dtype, arguments.steps
            )
            flops = arguments.batch * flops_of_a_sample(run.model, matrices, arguments.positions)
            made["rows"].append(figures(name, "torch", seconds, arguments, flops, 1))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(made, indent=2) + "\n")
    return made


if __name__ == "__main__":
    print(json.dumps(main(tyro.cli(Arguments)), indent=2))
