"""The memory that a language model takes on each device of a mesh, and whether it fits, for `reelm info`.

In: a run's configuration, the stride of its tokenizer, a mesh in words, bytes of a device. Out: names and lines.
Nothing is allocated.
"""

from collections.abc import Callable
from typing import Any, get_args

import jax.numpy as jnp

from reelm.errors import RequestError
from reelm.lm import size
from reelm.lm.mesh import MeshSpec
from reelm.lm.parameters import NumberFormat, check_mesh
from reelm.train.lm.config import LMRun
from reelm.train.step import state
from reelm.train.step.memory import least_devices

_ACTIVATIONS = ("float32", "bfloat16")


def notes(run: LMRun, stride: int, mesh: str | None, memory: int | None, height: int, width: int) -> dict[str, str]:
    """Return lines by name.

    Args:
        run: the configuration.
        stride: pixels of a code's side.
        mesh: devices, as in `--mesh`; None for one.
        memory: of a device in bytes; None if it is not known.
        height, width: of a clip in pixels.
    """
    if height % stride or width % stride:
        raise RequestError(f"height and width are multiples of {stride}, not {height} and {width}")
    config = run.model
    layout = config.layout(config.frames, height // stride, width // stride)
    sizes = _sizes(mesh)
    check_mesh(config, sizes)
    audio_frames = layout.codes - layout.frames * layout.per_picture
    sound = f" and {audio_frames} audio frames" if audio_frames else ""
    return {
        "laid over": " x ".join(f"{name} {count}" for name, count in sizes.items()),
        "positions of a clip": f"{layout.slots:,} ({config.prefix} and {config.frames} x {layout.rows} x "
        f"{layout.columns} codes{sound}: {height}x{width} pixels)",
        **_held(run, layout.slots, sizes),
        **_fitting(run, layout.slots, sizes, memory),
    }


def _held(run: LMRun, slots: int, sizes: dict[str, int]) -> dict[str, str]:
    """Return what the weights, the cache of a clip of `slots` slots, and the optimizer take on a device."""
    kept = {each: size.weight_bytes(run.model, each, sizes) for each in get_args(NumberFormat)}
    caches = {each: size.cache_bytes(run.model, slots, 1, jnp.dtype(each).itemsize, sizes) for each in _ACTIVATIONS}
    remembered = size.training_bytes(run.model, _optimizer(run).init, 0, 0, 0, sizes)["state"]
    state = _training(run, slots, sizes)["state"]
    return {
        "weights a device": ", ".join(f"{_gb(count)} in {each}" for each, count in kept.items()),
        "cache of a clip a device": ", ".join(f"{_gb(count)} in {each}" for each, count in caches.items())
        + "; twice that with guidance",
        "optimizer a device": f"{_gb(remembered)}, of {_gb(state)} of state with parameters and their average",
    }


def _fitting(run: LMRun, slots: int, sizes: dict[str, int], memory: int | None) -> dict[str, str]:
    """Return what decoding and training take, and whether that fits a device."""

    def decoding(weights: Any, sizes: dict[str, int]) -> int:
        cache = size.cache_bytes(run.model, slots, 2, 4 if weights == "float32" else 2, sizes)
        return size.weight_bytes(run.model, weights, sizes) + cache

    def fits(of: Callable[[dict[str, int]], int], axis: str) -> str:
        """Return what it takes on a device and whether it fits, or else on how many devices it does."""
        text = f"{_gb(of(sizes))} a device"
        if memory is None:
            return text
        if of(sizes) <= memory:
            return f"{text}: fits {_gb(memory)}"
        if enough := least_devices(run.model, axis, lambda mesh, most=memory: of(mesh) <= most):
            words = f"{axis}={enough}"
            return f"{text}: does not fit {_gb(memory)}; --mesh {words} does ({_gb(of(_sizes(words)))})"
        return f"{text}: does not fit {_gb(memory)}, nor on more devices along only {axis}"

    about = {
        f"decoding a clip in {weights}, guided": fits(lambda at, w=weights: decoding(w, at), "tensor")
        for weights in get_args(NumberFormat)
    }
    parts = "".join(f"; {name} {_gb(count)}" for name, count in _training(run, slots, sizes).items())
    trained = fits(lambda at: sum(_training(run, slots, at).values()), "fsdp")
    return {**about, f"training, {_batch(run)} clips in {run.accumulate} parts": trained + parts}


def _training(run: LMRun, slots: int, sizes: dict[str, int]) -> dict[str, int]:
    """Return the bytes of each part of a training on a device."""
    optimizer, at_once = _optimizer(run), _batch(run) // run.accumulate
    create = lambda params: state.create(params, optimizer, 0)  # noqa: E731
    parts = size.training_bytes(run.model, create, at_once, slots, jnp.dtype(run.dtype).itemsize, sizes)
    # With several parts a batch has two gradients at once: the sum, and that of one part.
    return parts | {"gradient": parts["gradient"] * min(run.accumulate, 2)}


def _optimizer(run: LMRun) -> Any:
    return run.optimizer.build(run.loop.steps)


def _batch(run: LMRun) -> int:
    """Return the size of the last bucket's batch."""
    return next(bucket.batch_size for stage in run.scaled_stages[::-1] for bucket in stage.buckets[::-1])


def _sizes(mesh: str | None) -> dict[str, int]:
    """Return the number of devices along each axis of a mesh."""
    return {name: max(count, 1) for name, count in vars(MeshSpec.parse(mesh or "")).items()}


def _gb(count: float) -> str:
    return f"{count / 1e9:.3g} GB"
