"""Fit the deblocking filter of a video tokenizer in closed form: least squares between rebuilt and real patches.

In: a fitted transform, and batches of clips. Out: parameters of `reelm.tokenizer.video.deblocking.Deblocking`.
The same clips give the same parameters.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np

from reelm.tokenizer.history import History
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.convolution import depth_to_space, space_to_depth
from reelm.tokenizer.video.deblocking import windows
from reelm.tokenizer.video.transform import Transform

_RIDGE = 3e-4  # regularisation, relative to the mean square of a pixel of a window

Sums = dict[str, list[np.ndarray]]
"""For "first" and "later": the sums of window^T window `[D, D]`, and of window^T error `[D, P]`."""


def fit(
    config: VideoTokenizerConfig,
    transform: Mapping[str, np.ndarray],
    batches: Iterator[Mapping[str, np.ndarray]],
    patches: int,
) -> dict[str, np.ndarray]:
    """Return the parameters of the filter, fitted to `patches` patches from batches of clips `[B, T, H, W, 3]`."""
    sums: Sums = {}
    seen, products = 0, _products(config)
    while seen < patches:
        for clips in next(batches).values():
            new, count = jax.device_get(products(dict(transform), jnp.asarray(clips)))
            sums = jax.tree.map(lambda total, part: total + np.float64(part), sums, new) if sums else new
            seen += int(count)
    return {name: _solve(*pair) for name, pair in sums.items()}


def _products(config: VideoTokenizerConfig) -> Callable[[dict, jax.Array], tuple[Sums, jax.Array]]:
    """Return the function (transform, clips) -> (sums over their patches, number of patches)."""
    patch = config.whole_patch

    def products(transform: dict, frames: jax.Array) -> tuple[Sums, jax.Array]:
        folded = space_to_depth(frames, patch, History(), copies=True)
        net = Transform(config.levels, config.bits, folded.shape[-1])
        code = net.apply({"params": transform}, folded, method="encode")
        patches = cast(jax.Array, net.apply({"params": transform}, code, method="decode"))
        first, later = windows(depth_to_space(patches, patch, History()), patch, History())
        missing = folded - patches
        frame = missing.shape[-1] // patch[0]  # a first patch is padded with copies, so only its last frame counts
        pairs = {"first": (first, missing[:, :1, ..., -frame:]), "later": (later, missing[:, 1:])}
        sums = {}
        for name, pair in pairs.items():
            seen, lost = (x.reshape(-1, x.shape[-1]) for x in pair)
            sums[name] = [seen.T @ seen, seen.T @ lost]
        return sums, jnp.asarray(folded.size // folded.shape[-1])

    return jax.jit(products)


def _solve(seen: np.ndarray, lost: np.ndarray) -> np.ndarray:
    ridge = _RIDGE * np.trace(seen) / len(seen) + 1e-9
    return np.linalg.solve(seen + ridge * np.eye(len(seen)), lost).astype(np.float32)
