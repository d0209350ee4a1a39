"""The peer of `benchmarks/play.py alone`: Jasmine's causal baseline (github.com/p-doom/jasmine), as large as `crafter`.

    python benchmarks/peers/jasmine_play.py --source CHECKOUT_OF_JASMINE

It runs in an environment of its own, with what Jasmine asks for: Python 3.11, jax 0.7.2, flax 0.11.2, einops, tyro.

The weights are random. The dynamics model has crafter's width, layers, heads and hidden width, 81 codes a frame out of
1,024, and an action a frame. A window is 8 frames of 72x72, of which 4 are given.

- clip: `GenieMaskGIT.sample` as Jasmine's sampling script calls it; it draws 4 frames, one after another.
- press: the same function asked for one frame after 7, as a player needs it who sees a frame before the next key.

Both also encode the frames that are given and decode all 8, once a call. The function has no cache of keys
and values: for each code the net reads the whole window again. That is what is measured. It is compiled as a whole, as
in Jasmine's training; the sampling script compiles anew in each call.

The script computes in bfloat16, for GPUs; here float32 is the default, as of `crafter`. Flash attention is cuDNN's and
is off. Where other work runs beside it, seconds of processors a frame say more than frames a second.

Prints JSON.
"""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Literal

import jax
import jax.numpy as jnp
import tyro
from flax import nnx

_SIDE, _PATCH, _WINDOW, _GIVEN, _ACTIONS = 72, 8, 8, 4, 17


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to time."""

    source: Path
    """A checkout of Jasmine."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of activations."""
    calls: int = 5
    """Calls to take the median of."""


def build(dtype: Any) -> Any:
    """Return a world of random weights, its tokenizer about as large as crafter's."""
    from jasmine.models.genie import GenieMaskGIT  # pyright: ignore[reportMissingImports]  (of --source)

    return GenieMaskGIT(
        in_dim=3,
        tokenizer_dim=128,
        tokenizer_ffn_dim=256,
        latent_patch_dim=32,
        num_patch_latents=1024,
        patch_size=_PATCH,
        tokenizer_num_blocks=2,
        tokenizer_num_heads=4,
        # No latent actions: those of the game are given.
        lam_dim=128,
        lam_ffn_dim=256,
        latent_action_dim=32,
        num_actions=_ACTIONS,
        lam_patch_size=_PATCH,
        lam_num_blocks=1,
        lam_num_heads=4,
        lam_co_train=False,
        use_gt_actions=True,
        dyna_type="causal",
        dyna_dim=192,
        dyna_ffn_dim=512,
        dyna_num_blocks=4,
        dyna_num_heads=4,
        param_dtype=jnp.float32,
        dtype=dtype,
        use_flash_attention=False,
        decode=False,
        rngs=nnx.Rngs(0),
    )


def parameters(module: Any) -> int:
    return sum(each.size for each in jax.tree.leaves(nnx.state(module, nnx.Param)))


def inputs(given: int, seed: int, dtype: Any) -> dict[str, jax.Array]:
    """Return `given` random frames, and an action for each frame of the window."""
    pixels, actions, rng = jax.random.split(jax.random.key(seed), 3)
    return {
        "videos": jax.random.uniform(pixels, (1, given, _SIDE, _SIDE, 3)).astype(dtype),
        "actions": jax.random.randint(actions, (1, _WINDOW), 0, _ACTIONS),
        "rng": rng,
    }


def draw(world: Any, batch: dict[str, jax.Array]) -> jax.Array:
    """Draw what is missing of the window; temperature 1, not the most likely codes."""
    frames, _ = world.sample(batch, _WINDOW, 1.0, False)
    return frames


def speed(world: Any, given: int, calls: int, dtype: Any) -> dict[str, Any]:
    """Compile, call once to warm up, then time calls."""
    began = time.perf_counter()
    run = nnx.jit(draw).lower(world, inputs(given, 0, dtype)).compile()
    compiling = time.perf_counter() - began
    took, busy = list[float](), list[float]()
    for seed in range(calls + 1):
        batch = jax.block_until_ready(inputs(given, seed, dtype))
        began, before = time.perf_counter(), time.process_time()
        frames = jax.block_until_ready(run(world, batch))
        took.append(time.perf_counter() - began)
        busy.append(time.process_time() - before)
        assert frames.shape == (1, _WINDOW, _SIDE, _SIDE, 3), frames.shape
    drawn, took, busy = _WINDOW - given, took[1:], busy[1:]
    return {
        "frames_a_call": drawn,
        "frames_a_second": round(drawn / median(took), 3),
        "slowest_and_fastest": [round(drawn / each, 3) for each in (max(took), min(took))],
        "processor_seconds_a_frame": round(median(busy) / drawn, 3),
        "compile_seconds": round(compiling, 1),
    }


def main(arguments: Arguments) -> int:
    sys.path.insert(0, str(arguments.source))
    dtype = jnp.dtype(arguments.dtype)
    world = build(dtype)
    commit = subprocess.run(
        ["git", "-C", str(arguments.source), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = {
        "device": jax.devices()[0].device_kind,
        **{name: version(name) for name in ("jax", "jaxlib", "flax")},
        "jasmine": commit.stdout.strip(),
        "dtype": arguments.dtype,
        "cache": False,
        "parameters": {
            "dynamics": parameters(world.dynamics) + parameters(world.action_embed),
            "tokenizer": parameters(world.tokenizer),
        },
    }
    for name, given in (("clip", _GIVEN), ("press", _WINDOW - 1)):
        found[name] = speed(world, given, arguments.calls, dtype)
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Arguments)))
