"""The linear deblocking filter: corrects each patch of a transform from the pixels around it.

In: frames `float [B, T, H, W, 3]` made of independently drawn patches. Out: frames of that shape. A patch sees its own
pixels, `REACH` rows and columns around them, and the same window of the frame before it; a patch of the first frame
sees only its own window. The mean colour of a window is subtracted, so flat areas do not change. The filter is fitted
once by least squares (Wiener, 1949), and not trained. The remaining steps between patches are then reduced.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from reelm.tokenizer.history import History

from .convolution import depth_to_space
from .sizes import REACH, window_sizes


class Deblocking(nn.Module):
    """The filter. Fresh parameters change nothing; `reelm.train.deblocking` fits them.

    Attributes:
        patch: frames, rows and columns of a patch.
        seam: fraction of the step between patches that is removed on either side.
    """

    patch: tuple[int, int, int]
    seam: float

    def setup(self) -> None:
        """Declare the parameters."""
        first, later = window_sizes(self.patch)
        frame = 3 * self.patch[1] * self.patch[2]
        self.first = jax.lax.stop_gradient(self.param("first", nn.initializers.zeros, (first, frame)))
        self.later = jax.lax.stop_gradient(self.param("later", nn.initializers.zeros, (later, self.patch[0] * frame)))

    def __call__(self, frames: jax.Array, history: History) -> jax.Array:
        """Return the frames with each patch corrected."""
        first, later = windows(frames, self.patch, history)
        corrections = later @ self.later
        if history.first:
            still = first @ self.first
            filling = jnp.zeros((*still.shape[:-1], corrections.shape[-1] - still.shape[-1]), still.dtype)
            corrections = jnp.concatenate([jnp.concatenate([filling, still], -1), corrections], 1)
        frames += depth_to_space(corrections, self.patch, history)
        frames = _smoothed(frames, 2, self.patch[1], self.seam)
        return _smoothed(frames, 3, self.patch[2], self.seam)


def windows(frames: jax.Array, patch: tuple[int, int, int], history: History) -> tuple[jax.Array, jax.Array]:
    """Return the windows of the first frame's patches, `[B, 1, h, w, D]`, and those of later ones, less the mean.

    Pictures are padded by repeating their border. The first array is empty for the `history` of a later chunk.
    """
    pt, ph, pw = patch
    now = frames[:, 1:] if history.first else frames
    lasts = history.join(frames[:, (0 if history.first else pt - 1) :: pt], pad=0, keep=1)
    b, _, height, width, _ = frames.shape
    groups = now.reshape(b, now.shape[1] // pt, pt, height, width, 3)
    groups = jnp.concatenate([lasts[:, :-1, None], groups], 2)
    first = frames[:, : int(history.first), None]
    return _around(first, ph, pw), _around(groups, ph, pw)


def _around(x: jax.Array, ph: int, pw: int) -> jax.Array:
    """Return `[B, N, h, w, D]`: the window around each patch of groups of frames `[B, N, F, H, W, 3]`."""
    b, groups, frames, height, width, _ = x.shape
    shape = (b, groups, height // ph, width // pw, frames * (ph + 2 * REACH) * (pw + 2 * REACH) * 3)
    x = jnp.pad(x, ((0, 0), (0, 0), (0, 0), (REACH, REACH), (REACH, REACH), (0, 0)), mode="edge")
    rows = np.arange(0, height, ph)[:, None] + np.arange(ph + 2 * REACH)
    columns = np.arange(0, width, pw)[:, None] + np.arange(pw + 2 * REACH)
    x = jnp.take(jnp.take(x, rows, axis=3), columns, axis=5)  # [B, N, F, h, row, w, column, 3]
    x -= jnp.mean(x, axis=(2, 4, 6), keepdims=True)
    return x.transpose(0, 1, 3, 5, 2, 4, 6, 7).reshape(shape)


def _smoothed(frames: jax.Array, axis: int, side: int, share: float) -> jax.Array:
    """Reduce the steps between patches of `side` rows, or columns, along an axis."""
    x = jnp.moveaxis(frames, axis, -1)
    after, before = np.arange(side, x.shape[-1], side), np.arange(side - 1, x.shape[-1] - 1, side)
    step = share * (x[..., after] - x[..., before])
    return jnp.moveaxis(x.at[..., before].add(step).at[..., after].add(-step), -1, axis)
