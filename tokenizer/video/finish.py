"""Correct decoded frames pixel by pixel, so that the patches of the decoder join without seams.

In: frames `float [B, T, H, W, 3]`. Out: frames of that shape. Three convolutions of 3x3 pixels see one frame at a time,
so chunks give the same frames as the whole clip. The last one starts at 0: an untrained net does not change frames.
"""

import flax.linen as nn
import jax
from jax.typing import DTypeLike


class Finish(nn.Module):
    """Adds to each pixel a correction computed from the pixels up to three rows and columns away.

    Attributes:
        channels: number of channels between the convolutions.
        dtype: number format of the computation; None for float32.
    """

    channels: int
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, frames: jax.Array) -> jax.Array:
        x = frames
        for name in ("in", "between"):
            x = nn.silu(nn.Conv(self.channels, (3, 3), dtype=self.dtype, name=name)(x))
        added = nn.Conv(3, (3, 3), kernel_init=nn.initializers.zeros, dtype=self.dtype, name="out")(x)
        return frames + added.astype(frames.dtype)
