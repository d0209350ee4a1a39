"""The last touch on drawn frames: what a decoder draws patch by patch is fitted together, pixel by pixel.

In: frames `float [B, T, H, W, 3]`. Out: frames of that shape. Three convolutions of 3x3 pixels look at each frame
alone, so chunks of a clip give what the whole gives. The last one begins at 0: untrained, frames pass as they are.
"""

import flax.linen as nn
import jax
from jax.typing import DTypeLike


class Finish(nn.Module):
    """What is added to each pixel, by those up to three rows and columns away.

    Attributes:
        channels: between the convolutions.
        dtype: number format that they compute in; None for float32.
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
