"""How long clips take through the nets of a video tokenizer: `python benchmarks/tokenizer.py [--presets demo ...]`.

For each preset and size, with random weights: seconds to encode and to decode, the program's own memory, the share of
the device's matmul rate that was reached, all beside the same network in torch where torch is installed (its outputs
are compared first); and one causal convolution of each stage as a 2D convolution over frames, as reelm has it, beside a
native 3D one and torch's. Then, with the weights that ship, a clip of 17x128x128 from pixels to pixels through
`natural`, and how many times faster than real time it encodes and decodes sound. Medians of calls after warming up, in
one process; one JSON object on stdout, progress on stderr.
"""

import json
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro

import reelm
from reelm import configs
from reelm.tokenizer.history import History
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.convolution import CausalConv
from reelm.tokenizer.video.tokenizer import init_params

try:
    import torch
except ModuleNotFoundError:
    torch = None


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to time."""

    presets: tuple[str, ...] = ("demo", "magvit2")
    """Presets with a video tokenizer."""
    sizes: tuple[int, ...] = (128,)
    """Heights and widths."""
    frames: int = 17
    """Frames of a clip: 1 + 4k."""
    batch: int = 1
    """Clips at once."""
    calls: int = 5
    """Calls to take the median of."""
    dtype: str = "float32"
    """Number format of activations in both libraries: float32 or bfloat16."""
    peer: bool = True
    """Whether to time torch as well, where it is installed."""
    compile_peer: bool = True
    """Whether torch compiles the peer."""


def seconds(call: Callable[[], Any], calls: int) -> float:
    """Median time of `call`, which waits for its result, after two that warm up."""
    times = []
    for _ in range(calls + 2):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return median(times[2:])


def matmul_rate(dtype: Any, calls: int) -> float:
    """FLOP/s of a large square matmul on this device in this run."""
    side = 8192 if jax.default_backend() != "cpu" else 2048
    x = jnp.ones((side, side), dtype)
    multiply = jax.jit(lambda x: x @ x)
    return 2 * side**3 / seconds(lambda: multiply(x).block_until_ready(), calls)


def time_net(net: Any, params: dict, x: jax.Array, arguments: Arguments, peak: float) -> tuple[dict[str, Any], Any]:
    """(figures, output) of one net."""
    compiled = jax.jit(lambda params, x: net.apply({"params": params}, x, History())).lower(params, x).compile()
    taken = seconds(lambda: compiled(params, x).block_until_ready(), arguments.calls)
    flops = flops_of(compiled)
    memory = compiled.memory_analysis()
    figures = {"seconds": taken, "share_of_matmul_rate": flops / taken / peak if flops else None}
    return figures | {"program_mib": memory.temp_size_in_bytes / 2**20 if memory else None}, compiled(params, x)


def flops_of(compiled: Any) -> float | None:
    """What XLA counts for a program; None where it does not."""
    analysis = compiled.cost_analysis()
    return analysis.get("flops") if isinstance(analysis, dict) else None


def time_peer(net: Any, x: jax.Array, expected: jax.Array, arguments: Arguments) -> dict[str, Any]:
    """Figures of the torch net, once it is known to compute the same."""
    assert torch is not None
    device = "cuda" if jax.default_backend() == "gpu" and torch.cuda.is_available() else "cpu"
    clip = torch.from_numpy(np.moveaxis(np.asarray(x, np.float32), -1, 1).copy())
    with torch.inference_mode():
        there = np.moveaxis(net(clip).numpy(), 1, -1)
        difference = float(np.abs(there - np.asarray(expected, np.float32)).max() / np.abs(there).max())
        if arguments.dtype == "float32" and difference > 1e-3:
            raise SystemExit(f"the torch net is another one: outputs differ by {difference:.1e} of the largest")
        dtype = torch.bfloat16 if arguments.dtype == "bfloat16" else torch.float32
        net = net.to(device, dtype, memory_format=torch.channels_last_3d)
        clip = clip.to(device, dtype, memory_format=torch.channels_last_3d)
        if arguments.compile_peer:
            net = torch.compile(net)
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()

        def call() -> None:
            net(clip)
            if device == "cuda":
                torch.cuda.synchronize()

        taken = seconds(call, arguments.calls)
    memory = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else None
    return {"seconds": taken, "peak_mib": memory, "relative_difference": difference}


def time_preset(config: VideoTokenizerConfig, size: int, arguments: Arguments, peak: float) -> dict[str, Any]:
    """Encoder and decoder at one size, in both libraries."""
    rng, dtype = np.random.default_rng(0), jnp.dtype(arguments.dtype)
    shapes = jax.eval_shape(partial(init_params, config), jax.random.key(0))
    params = jax.tree.map(lambda leaf: np.float32(rng.normal(size=leaf.shape) / np.sqrt(leaf.size)), shapes)
    latent = (arguments.batch, *config.latent_shape(arguments.frames, size, size), config.bits)
    video = (arguments.batch, arguments.frames, size, size, 3)
    report: dict[str, Any] = {}
    for name, net, x in (
        ("encoder", config.encoder(dtype), jnp.asarray(rng.uniform(-1, 1, video), jnp.float32)),
        ("decoder", config.decoder(dtype), jnp.asarray(rng.choice([-1.0, 1.0], latent), jnp.float32)),
    ):
        ours, made = time_net(net, jax.tree.map(jnp.asarray, params[name]), x, arguments, peak)
        report[name] = {"reelm": ours}
        if arguments.peer and torch is not None:
            from peers.torch_tokenizer import Decoder, Encoder

            peer = (Encoder if name == "encoder" else Decoder)(config, params[name]).eval()
            report[name]["torch"] = theirs = time_peer(peer, x, made, arguments)
            report[name]["torch_over_reelm"] = theirs["seconds"] / ours["seconds"]
    return report


def time_convolution(channels: int, shape: tuple[int, int, int], arguments: Arguments) -> dict[str, Any]:
    """One 3x3x3 causal convolution at a stage's shape: over frames in 2D, native in 3D, and torch's in 3D."""
    rng, dtype = np.random.default_rng(0), jnp.dtype(arguments.dtype)
    layer = CausalConv(channels, dtype=dtype)
    x = jnp.asarray(rng.normal(size=(arguments.batch, *shape, channels)), dtype)
    kernel = jnp.asarray(rng.normal(size=(3, 3, 3, channels, channels)) / channels, jnp.float32)
    params = {"kernel": kernel, "bias": jnp.zeros(channels)}

    def native(params: dict, x: jax.Array) -> jax.Array:
        y = jax.lax.conv_general_dilated(
            x,
            params["kernel"].astype(x.dtype),
            (1, 1, 1),
            [(2, 0), (1, 1), (1, 1)],
            dimension_numbers=("NDHWC", "DHWIO", "NDHWC"),
        )
        return y + params["bias"].astype(x.dtype)

    both = {
        "over_frames": jax.jit(lambda params, x: layer.apply({"params": params}, x, History())),
        "native": jax.jit(native),
    }
    taken = {name: seconds(lambda f=f: f(params, x).block_until_ready(), arguments.calls) for name, f in both.items()}
    ratios = {"native_over_ours": taken["native"] / taken["over_frames"]}
    if arguments.peer and torch is not None:
        from peers.torch_tokenizer import CausalConv as Peer

        taken["torch"] = time_peer(Peer(params).eval(), x, both["over_frames"](params, x), arguments)["seconds"]
        ratios["torch_over_ours"] = taken["torch"] / taken["over_frames"]
    return {"channels": channels, "shape": shape, **taken, **ratios}


def time_natural(calls: int) -> float:
    """Seconds to encode and decode a clip of 17x128x128 through the tokenizer that ships."""
    tokenizer = reelm.load("natural").video_tokenizer
    clip = np.random.default_rng(0).integers(0, 256, (17, 128, 128, 3), np.uint8)
    return seconds(lambda: tokenizer.decode(tokenizer.encode(clip)), calls)


def time_sound(calls: int) -> dict[str, float]:
    """Seconds of sound that the tokenizer that ships encodes, and decodes, in a second."""
    tokenizer, length = reelm.load("natural").audio_tokenizer, 10
    assert tokenizer is not None
    rate = tokenizer.config.sample_rate
    sound = np.random.default_rng(0).normal(0, 0.1, length * rate).astype(np.float32)
    ids = tokenizer.encode(sound, rate)
    return {
        "encode": length / seconds(lambda: tokenizer.encode(sound, rate), calls),
        "decode": length / seconds(lambda: tokenizer.decode(ids), calls),
    }


def main(arguments: Arguments) -> dict[str, Any]:
    peak = matmul_rate(jnp.dtype(arguments.dtype), arguments.calls)
    report: dict[str, Any] = {
        "device": f"{jax.devices()[0].device_kind} ({platform.machine()})",
        "jax": jax.__version__,
        "torch": None if torch is None else torch.__version__,
        "dtype": arguments.dtype,
        "frames": arguments.frames,
        "batch": arguments.batch,
        "matmul_tflops": peak / 1e12,
    }
    for preset in arguments.presets:
        config = configs.get("video-tokenizer", preset).model
        for size in arguments.sizes:
            print(f"{preset} at {size}x{size}", file=sys.stderr)
            report[f"{preset} {size}x{size}"] = time_preset(config, size, arguments, peak)
            if preset != "demo":  # its stages have other kernels
                stages = zip(config.decoder_channels, config.decoder_shapes(arguments.frames, size, size), strict=True)
                report[f"{preset} {size}x{size}"]["convolutions"] = [
                    time_convolution(c, s, arguments) for c, s in stages
                ]
    print("natural from pixels to pixels", file=sys.stderr)
    report["natural encode and decode 17x128x128"] = time_natural(arguments.calls)
    report["natural sound, times real time"] = time_sound(arguments.calls)
    return report


if __name__ == "__main__":
    print(json.dumps(main(tyro.cli(Arguments)), indent=2))
