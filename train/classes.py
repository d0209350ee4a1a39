"""Fit the transform of a video tokenizer in closed form: classes of patches with a Karhunen-Loeve transform each.

In: the sizes of a tokenizer whose config has `levels`, and new patches `float32 [N, P]` for each round. Out: parameters
of `reelm.tokenizer.video.transform.Transform`. A round assigns each patch to the class that rebuilds it best, and then
fits each class to its patches: mean, axes, and for each axis the companding for its number of bits. The same patches
give the same parameters.
"""

from collections.abc import Callable, Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from reelm.tokenizer.history import History
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.convolution import space_to_depth
from reelm.tokenizer.video.transform import Transform, layout

_SPREADS = np.array([0.3, 1.2, 2, 2.8, 3.6, 4.5, 5.5], np.float32)
_REACHES = np.array([1, 1.4, 1.8, 2.2, 2.7, 3.3, 4, 5, 6, 8], np.float32)  # of the top level, in standard deviations
_LEAST = 40  # fewest patches to fit a class; a class with fewer takes half of the largest class
_SAMPLES = 500  # patches used to choose the companding
_AT_ONCE = 1 << 13  # patches processed at once


def fit(config: VideoTokenizerConfig, rounds: Iterator[np.ndarray]) -> dict[str, np.ndarray]:
    """Return the parameters of the transform after one round for each set of patches.

    At first all classes have equally many patches, sorted by contrast: so the first rows of `levels` are for flat
    patches, the last for busy ones.
    """
    first = next(rounds)
    size, plan = first.shape[-1], layout(config.levels, config.bits)
    classes, axes = 1 << plan.class_bits, plan.steps.shape[1]
    steps = np.repeat(plan.steps, classes // len(plan.steps), 0)
    draws = np.random.default_rng(0).normal(size=(size, axes))
    params = {
        "basis": np.broadcast_to(np.linalg.qr(draws)[0].T, (classes, axes, size)).astype(np.float32),
        "mean": np.zeros((classes, size), np.float32),
        "scale": np.ones(classes * axes, np.float32),
        "spread": np.ones(classes * axes, np.float32),
    }
    params = {name: leaf.copy() for name, leaf in params.items()}
    pixels = first.reshape(len(first), -1, 3)
    contrast = np.square(pixels - pixels.mean(1, keepdims=True)).mean((1, 2))
    rank = np.argsort(np.argsort(contrast, kind="stable"), kind="stable")
    _fit_classes(params, first, rank * classes // len(first), steps)
    best = _sorter(config, size)
    for patches in rounds:
        _fit_classes(params, patches, best(_stored(params), patches), steps)
    return _stored(params)


def rounds(
    config: VideoTokenizerConfig, batches: Iterator[Mapping[str, np.ndarray]], count: int, patches: int
) -> Iterator[np.ndarray]:
    """Yield `count` sets of `patches` patches, `float32 [N, P]`, from batches of clips `[B, T, H, W, 3]` by name."""
    patch = config.whole_patch
    for _ in range(count):
        found: list[np.ndarray] = []
        while sum(map(len, found)) < patches:
            for clips in next(batches).values():
                folded = space_to_depth(jnp.asarray(clips), patch, History(), copies=True)
                found.append(np.asarray(folded, np.float32).reshape(-1, folded.shape[-1]))
        yield np.concatenate(found)[:patches]


def _stored(params: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return axes and means as the columns of matrices, as `Transform` stores them."""
    basis = params["basis"]
    return {**params, "basis": basis.reshape(-1, basis.shape[-1]).T, "mean": params["mean"].T}


def _sorter(config: VideoTokenizerConfig, size: int) -> Callable[[dict, np.ndarray], np.ndarray]:
    """Return the function (parameters, patches) -> the class of each patch."""
    transform = Transform(config.levels, config.bits, size)
    apply = jax.jit(lambda params, x: transform.apply({"params": params}, x, method="best"))

    def best(params: dict, patches: np.ndarray) -> np.ndarray:
        params, filled = jax.device_put(params), np.pad(patches, ((0, -len(patches) % _AT_ONCE), (0, 0)))
        parts = [np.asarray(apply(params, part)) for part in filled.reshape(-1, _AT_ONCE, size)]
        return np.concatenate(parts)[: len(patches)]

    return best


def _fit_classes(params: dict[str, np.ndarray], patches: np.ndarray, chosen: np.ndarray, steps: np.ndarray) -> None:
    """Fit each class to the patches that chose it, in place."""
    counts = np.bincount(chosen, minlength=len(steps))
    for number in range(len(steps)):
        mine = np.flatnonzero(chosen == number)
        if len(mine) < _LEAST:
            # A class with too few patches takes every other patch of the largest class.
            largest = int(np.argmax(counts))
            mine = np.flatnonzero(chosen == largest)[::2]
            chosen[mine] = number
            counts[largest] -= len(mine)
            counts[number] += len(mine)
        members = patches[mine]
        mean = members.mean(0)
        basis = _axes(members - mean, params["basis"][number])
        z = (members[:_SAMPLES] - mean) @ basis.T
        params["mean"][number], params["basis"][number] = mean, basis
        own = slice(number * len(basis), (number + 1) * len(basis))
        params["scale"][own], params["spread"][own] = _companding(z, steps[number])


def _axes(centred: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return the principal axes `[D, P]` of patches `[N, P]`, in order, by subspace iteration from the last axes."""
    axes = start.T
    for _ in range(4):
        axes = np.linalg.qr(centred.T @ (centred @ axes))[0]
    seen = centred @ axes
    return (axes @ np.linalg.eigh(seen.T @ seen)[1][:, ::-1]).T


def _companding(z: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the scale and spread `[D]` that quantize coefficients `[N, D]` to `steps` levels with the least error."""
    deviation = np.sqrt(np.square(z).mean(0)) + 1e-6
    least, best = np.full(len(steps), np.inf), (np.ones_like(deviation), np.ones_like(deviation))
    for spread in _SPREADS:
        for reach in _REACHES:
            scale = reach * deviation / np.sinh(spread)
            level = np.clip(np.floor((np.arcsinh(z / scale) / spread + 1) * (steps / 2)), 0, steps - 1)
            error = np.square(scale * np.sinh(spread * ((2 * level + 1) / steps - 1)) - z).mean(0)
            better = error < least
            least = np.where(better, error, least)
            best = np.where(better, scale, best[0]), np.where(better, spread, best[1])
    return best
