"""Measure the training speed of the language model: `python benchmarks/train.py [--sizes 1b] [--mesh fsdp=8] ...`

It times whole steps, including optimizer and average, on random codes. It prints samples, positions and model FLOP/s,
and the fraction of the device's peak (MFU; PaLM, arXiv 2204.02311, appendix B) as JSON. FLOPs are 6 a position for each
parameter of a matrix, and those of causal attention, half of full attention. Recomputation to save memory does not
count.

On a CPU the size is "toy", a net that takes seconds.
"""

from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
import tyro
from harness import TOY, report, seconds, show

from reelm import configs
from reelm.lm.mesh import MeshSpec
from reelm.lm.net.config import Kernel, LMConfig, Remat
from reelm.lm.prefix import ClipCodes, Prefix
from reelm.train.lm.config import LMRun
from reelm.train.lm.run import objective_of
from reelm.train.run.throughput import peak_flops
from reelm.train.step import feed


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The settings to measure."""

    sizes: tuple[str, ...] = ("toy",) if jax.default_backend() == "cpu" else ("300m", "1b")
    """Presets of the language model, or "toy"."""
    batch: int = 8
    """Clips a step, over all devices."""
    positions: int = 32 if jax.default_backend() == "cpu" else 2048
    """Slots of a sample: 5 latent frames of 16 x 16 codes (the toy: 2 of 2 x 2), and the prefix."""
    steps: int = 10
    """Steps for the median."""
    attention: Kernel | None = None
    """Kernel of attention; the default is the fused kernel of the device if it has one."""
    remat: Remat = "full"
    """Activations that a layer keeps for the backward pass."""
    accumulate: int = 1
    """Number of parts of a batch, whose gradients are summed."""
    mesh: str | None = None
    """The devices, such as fsdp=8; the default is one."""


def run_of(name: str, arguments: Arguments) -> tuple[LMRun, tuple[int, ...]]:
    """Return the run, and the shape of a batch of codes."""
    run = LMRun(model=TOY) if name == "toy" else configs.get("lm", name)
    grid = (2, 2, 2) if name == "toy" else (5, 16, 16)
    silent: Any = {"sound_levels": 0, "sound_frames": (0, 0)}
    model = replace(run.model, frames=grid[0], prefix=arguments.positions - int(np.prod(grid)), **silent)
    run = replace(run, model=model, attention=arguments.attention or "auto", remat=arguments.remat)
    return replace(run, accumulate=arguments.accumulate), (arguments.batch, *grid)


def flops_of_a_sample(config: LMConfig, matrices: int, slots: int) -> float:
    """Return the FLOPs of the model for a sample, forward and backward."""
    attention = 12 * config.layers * config.heads * config.head_width * slots / 2
    return slots * (6 * matrices + attention)


def trained(name: str, arguments: Arguments) -> dict[str, Any]:
    """Train on random codes, and return the figures of a step."""
    run, shape = run_of(name, arguments)
    if arguments.mesh is None:
        mesh = MeshSpec().build(jax.devices()[:1])
    else:
        run = replace(run, mesh=MeshSpec.parse(arguments.mesh))
        mesh = run.mesh.build()
    state, step = objective_of(run).build(mesh)
    rng = np.random.default_rng(0)
    words = rng.integers(0, 256, (shape[0], run.model.prefix)).astype(np.int32)
    codes = rng.integers(0, 1 << run.model.bits, shape).astype(np.int32)
    batch = {"prefix": Prefix.of_words(words, *shape[2:]), "codes": ClipCodes.of_video(codes)}
    # Tables of words and codes are only looked up, not multiplied.
    matrices = sum(leaf.size for part in ("layers", "head") for leaf in jax.tree.leaves(state.params[part]))

    def update() -> jax.Array:
        nonlocal state
        state, metrics = step(state, feed.place(batch, mesh))
        return metrics["loss"]

    taken = seconds(update, arguments.steps, warm=2)
    flops = arguments.batch * flops_of_a_sample(run.model, matrices, arguments.positions) / taken
    peak = peak_flops() / len(jax.devices()) * mesh.size  # 0 where the device is not known
    return {
        **{"size": name, "batch": arguments.batch, "positions": arguments.positions},
        **{"ms_per_step": 1e3 * taken, "samples_per_second": arguments.batch / taken},
        "positions_per_second": arguments.batch * arguments.positions / taken,
        "tflops_per_second": flops / 1e12,
        "mfu": flops / peak if peak else None,
    }


def main(arguments: Arguments) -> None:
    report({"mesh": arguments.mesh, "rows": [show(trained(name, arguments)) for name in arguments.sizes]})


if __name__ == "__main__":
    main(tyro.cli(Arguments))
