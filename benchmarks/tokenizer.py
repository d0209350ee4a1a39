"""Measure the speed of the nets of a video tokenizer: `python benchmarks/tokenizer.py [--presets demo ...]`.

For each preset and size, with random weights, it measures the seconds to encode and to decode, the memory of the
program, and the fraction of the device's matmul rate. It also compares one causal convolution of each stage as a 2D
convolution over frames, as in reelm, with a native 3D one. Then it measures the shipped `natural`: a clip of 17x128x128
from pixels to pixels, and how many times faster than real time it encodes and decodes sound. Prints JSON.
"""

import sys
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from harness import report, seconds

import reelm
from reelm import configs
from reelm.tokenizer.history import History
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.convolution import CausalConv
from reelm.tokenizer.video.tokenizer import init_params


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The settings to measure."""

    presets: tuple[str, ...] = ("demo", "magvit2")
    """Presets with a video tokenizer."""
    sizes: tuple[int, ...] = (128,)
    """Heights and widths."""
    frames: int = 17
    """Frames of a clip: 1 + 4k."""
    batch: int = 1
    """Clips at once."""
    calls: int = 5
    """Calls for the median."""
    dtype: str = "float32"
    """Number format of activations: float32 or bfloat16."""


def matmul_rate(dtype: Any, calls: int) -> float:
    """Return the FLOP/s of a large square matmul on this device in this run."""
    side = 8192 if jax.default_backend() != "cpu" else 2048
    x = jnp.ones((side, side), dtype)
    multiply = jax.jit(lambda x: x @ x)
    return 2 * side**3 / seconds(lambda: multiply(x), calls, warm=2)


def time_net(net: Any, params: dict, x: jax.Array, arguments: Arguments, peak: float) -> dict[str, Any]:
    """Return the figures of one net."""
    compiled = jax.jit(lambda params, x: net.apply({"params": params}, x, History())).lower(params, x).compile()
    taken = seconds(lambda: compiled(params, x), arguments.calls, warm=2)
    analysis, memory = compiled.cost_analysis(), compiled.memory_analysis()
    flops = analysis.get("flops") if isinstance(analysis, dict) else None  # not every device counts them
    return {
        "seconds": taken,
        "share_of_matmul_rate": flops / taken / peak if flops else None,
        "program_mib": memory.temp_size_in_bytes / 2**20 if memory else None,
    }


def time_preset(config: VideoTokenizerConfig, size: int, arguments: Arguments, peak: float) -> dict[str, Any]:
    """Time encoder and decoder at one size."""
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
        report[name] = time_net(net, jax.tree.map(jnp.asarray, params[name]), x, arguments, peak)
    return report


def time_convolution(channels: int, shape: tuple[int, int, int], arguments: Arguments) -> dict[str, Any]:
    """Time one 3x3x3 causal convolution at a stage's shape: over frames in 2D, and native in 3D."""
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
    taken = {name: seconds(lambda f=f: f(params, x), arguments.calls, warm=2) for name, f in both.items()}
    return {"channels": channels, "shape": shape, **taken, "native_over_ours": taken["native"] / taken["over_frames"]}


def time_natural(calls: int) -> float:
    """Return the seconds to encode and decode a clip of 17x128x128 with the shipped tokenizer."""
    tokenizer = reelm.load("natural").video_tokenizer
    clip = np.random.default_rng(0).integers(0, 256, (17, 128, 128, 3), np.uint8)
    return seconds(lambda: tokenizer.decode(tokenizer.encode(clip)), calls, warm=2)


def time_sound(calls: int) -> dict[str, float]:
    """Return the seconds of sound that the shipped tokenizer encodes, and decodes, in a second."""
    tokenizer, length = reelm.load("natural").audio_tokenizer, 10
    assert tokenizer is not None
    rate = tokenizer.config.sample_rate
    sound = np.random.default_rng(0).normal(0, 0.1, length * rate).astype(np.float32)
    ids = tokenizer.encode(sound, rate)
    return {
        "encode": length / seconds(lambda: tokenizer.encode(sound, rate), calls, warm=2),
        "decode": length / seconds(lambda: tokenizer.decode(ids), calls, warm=2),
    }


def main(arguments: Arguments) -> None:
    peak = matmul_rate(jnp.dtype(arguments.dtype), arguments.calls)
    found: dict[str, Any] = {"dtype": arguments.dtype, "frames": arguments.frames, "batch": arguments.batch}
    found["matmul_tflops"] = peak / 1e12
    for preset in arguments.presets:
        config = configs.get("video-tokenizer", preset).model
        for size in arguments.sizes:
            print(f"{preset} at {size}x{size}", file=sys.stderr)
            found[f"{preset} {size}x{size}"] = time_preset(config, size, arguments, peak)
            if preset != "demo":  # its stages have other kernels
                stages = zip(config.decoder_channels, config.decoder_shapes(arguments.frames, size, size), strict=True)
                timed = [time_convolution(channels, shape, arguments) for channels, shape in stages]
                found[f"{preset} {size}x{size}"]["convolutions"] = timed
    print("natural from pixels to pixels", file=sys.stderr)
    found["natural encode and decode 17x128x128"] = time_natural(arguments.calls)
    found["natural sound, times real time"] = time_sound(arguments.calls)
    report(found)


if __name__ == "__main__":
    main(tyro.cli(Arguments))
