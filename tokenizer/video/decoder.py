"""The decoder: quantized latents `[B, t, h, w, K]` of -1 and +1 to frames `float [B, T, H, W, 3]`, about in [-1, 1]."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.tokenizer import finite_scalars
from reelm.tokenizer.code_spec import Levels
from reelm.tokenizer.history import History

from .convolution import CausalConv, ResidualBlock, depth_to_space, space_to_depth
from .deblocking import Deblocking
from .finish import Finish
from .transform import Transform


class Decoder(nn.Module):
    """The decoder net. Every block's norm is conditioned on the code at its position (MAGVIT-v2, adaptive norm).

    With `levels`, a transform and a deblocking filter decode the codes to frames; if there are stages, each of them
    sees these frames and the net adds a correction. With `scalars`, levels of finite scalar quantization, the net sees
    their values instead of signs. With `finish` channels, `Finish` corrects the frames last.
    """

    patch: tuple[int, int, int]
    whole_patch: tuple[int, int, int]
    channels: tuple[int, ...]
    strides: tuple[tuple[int, int], ...]
    blocks: int
    kernel: tuple[int, int, int]
    background: float
    levels: Levels
    scalars: tuple[int, ...]
    seam: float
    finish: int = 0
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, latent: jax.Array, history: History) -> jax.Array:
        frames = self._drawn(latent, history)
        return Finish(self.finish, self.dtype, name="finish")(frames) if self.finish else frames

    def _drawn(self, latent: jax.Array, history: History) -> jax.Array:
        if self.scalars:
            latent = finite_scalars.values(latent, self.scalars)
        frames, times = self._frames(latent, history), (1, 1, 1)
        if frames is not None and not self.channels:
            return frames
        x = CausalConv(self.channels[-1], self.kernel, dtype=self.dtype, name="conv_in")(latent, history)
        for stage in reversed(range(len(self.channels))):
            width = self.channels[stage]
            if frames is not None:
                time, rows, columns = (n // repeats for n, repeats in zip(self.whole_patch, times, strict=True))
                seen = space_to_depth(frames, (time, rows, columns), history, copies=True)
                x += nn.Dense(width, use_bias=False, dtype=self.dtype, name=f"look_{stage}")(seen)
            for block in range(self.blocks):
                layer = ResidualBlock(width, self.kernel, self.dtype, name=f"block_{stage}_{block}")
                x = layer(x, history, latent, times)
            if stage > 0:
                time, space = self.strides[stage - 1]
                patch = (time, space, space)
                features = self.channels[stage - 1] * time * space * space
                x = CausalConv(features, (1, 3, 3), dtype=self.dtype, name=f"up_{stage}")(x, history)
                x = depth_to_space(x, patch, history)
                times = (times[0] * time, times[1] * space, times[2] * space)
        x = nn.silu(nn.RMSNorm(dtype=self.dtype, name="norm_out")(x))
        # Start as a constant picture: most of many clips is background, and a net that starts with random pictures can
        # collapse to one code before it has learned that background.
        pixels = nn.Dense(
            3 * self.patch[0] * self.patch[1] * self.patch[2],
            kernel_init=nn.initializers.zeros,
            bias_init=nn.initializers.constant(self.background if frames is None else 0.0),
            name="pixels",
        )(x.astype(jnp.float32))
        retouched = depth_to_space(pixels, self.patch, history)
        return retouched if frames is None else frames + retouched

    def _frames(self, latent: jax.Array, history: History) -> jax.Array | None:
        """Return the frames that transform and filter decode from the codes; None without a transform."""
        if not self.levels:
            return None
        transform = Transform(self.levels, latent.shape[-1], 3 * math.prod(self.whole_patch), name="transform")
        frames = depth_to_space(transform.decode(latent), self.whole_patch, history)
        return Deblocking(self.whole_patch, self.seam, name="deblocking")(frames, history)
