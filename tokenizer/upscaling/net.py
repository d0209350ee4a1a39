"""The differentiable net of an upscaler. It knows nothing of tiles, files or training.

Convolutions without padding over cells of 2 x 2 pixels add detail to bicubic interpolation. Blocks have no norm (EDSR,
arXiv 1707.02921), output is sub-pixel (arXiv 1609.05158). The last layer begins at zero, so a fresh net is bicubic
interpolation. An output pixel depends only on the pixels around it, in the present frame and in `past` frames before.
So tiles, pieces and batches give the same pixels as whole clips.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from .config import UpscalerConfig

CUBIC = 4  # pixels around a tile that `bicubic` needs; interpolation reads two of them

_CELL = 2  # pixels


class UpscalerNet(nn.Module):
    """Enlarges the last of frames float `[B, past + 1, H + 2 halo, W + 2 halo, 3]` in [-1, 1] to `[B, 2H, 2W, 3]`.

    H and W are even. Output values may be slightly outside of [-1, 1].
    """

    config: UpscalerConfig
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, frames: jax.Array) -> jax.Array:
        config, halo = self.config, self.config.halo

        def conv(features: int, name: str, kernel_init: nn.initializers.Initializer) -> nn.Conv:
            return nn.Conv(features, (3, 3), padding="VALID", kernel_init=kernel_init, dtype=self.dtype, name=name)

        drawn = nn.initializers.variance_scaling(1.0, "fan_in", "truncated_normal")
        x = conv(config.width, "first", drawn)(_cells(frames))
        for block in range(config.blocks):
            y = conv(config.width, f"block_{block}_in", drawn)(nn.silu(x))
            y = conv(config.width, f"block_{block}_out", nn.initializers.zeros)(nn.silu(y))
            x = x[:, 2:-2, 2:-2] + y
        detail = conv(3 * (2 * _CELL) ** 2, "last", nn.initializers.zeros)(nn.silu(x))
        inner = slice(halo - CUBIC, CUBIC - halo)
        return bicubic(frames[:, -1, inner, inner]) + _pixels(detail).astype(frames.dtype)


def bicubic(pictures: jax.Array) -> jax.Array:
    """Enlarge pictures `[B, H, W, 3]` to `[B, 2 (H - 8), 2 (W - 8), 3]`: 4 pixels at each border are only read."""
    batch, height, width, channels = pictures.shape
    doubled = jax.image.resize(pictures, (batch, 2 * height, 2 * width, channels), "cubic", antialias=False)
    return doubled[:, 2 * CUBIC : -2 * CUBIC, 2 * CUBIC : -2 * CUBIC]


def _cells(frames: jax.Array) -> jax.Array:
    """Fold cells and frames into channels: `[B, F, H, W, 3]` -> `[B, H / 2, W / 2, 12 F]`."""
    batch, past, height, width, _ = frames.shape
    x = frames.reshape(batch, past, height // _CELL, _CELL, width // _CELL, _CELL, 3)
    return x.transpose(0, 2, 4, 1, 3, 5, 6).reshape(batch, height // _CELL, width // _CELL, -1)


def _pixels(x: jax.Array) -> jax.Array:
    """Unfold channels into pixels: `[B, H / 2, W / 2, 48]` -> `[B, 2H, 2W, 3]`."""
    batch, height, width, _ = x.shape
    side = 2 * _CELL
    x = x.reshape(batch, height, width, side, side, 3).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, height * side, width * side, 3)


def init_params(config: UpscalerConfig, key: jax.Array) -> dict:
    """Return fresh parameters as a nested dict of float32."""
    side = 2 * _CELL + 2 * config.halo
    frames = jnp.zeros((1, config.past + 1, side, side, 3))
    return jax.jit(UpscalerNet(config).init)(key, frames)["params"]
