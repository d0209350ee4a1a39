"""The encoder: frames `float [B, T, H, W, 3]` in [-1, 1] to latents `[B, t, h, w, K]`, whose signs are the codes."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.tokenizer import finite_scalars
from reelm.tokenizer.code_spec import Levels
from reelm.tokenizer.history import History

from .convolution import CausalConv, ResidualBlock, space_to_depth
from .transform import Transform


class Encoder(nn.Module):
    """The encoder net: patches, then stages of residual blocks with a strided convolution between two stages.

    With `levels`, a transform encodes whole patches; if there are stages, the net first corrects the patches. With
    `scalars`, levels of finite scalar quantization, there are fewer latents than bits. The net sees the means of
    squares of `shrink` x `shrink` pixels.
    """

    bits: int
    patch: tuple[int, int, int]
    whole_patch: tuple[int, int, int]
    channels: tuple[int, ...]
    strides: tuple[tuple[int, int], ...]
    blocks: int
    kernel: tuple[int, int, int]
    levels: Levels
    shrink: int = 1
    scalars: tuple[int, ...] = ()
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, video: jax.Array, history: History) -> jax.Array:
        if self.shrink > 1:
            (b, frames, height, width, channels), n = video.shape, self.shrink
            squares = video.reshape(b, frames, height // n, n, width // n, n, channels)
            video = jnp.mean(squares, axis=(3, 5))
        if self.scalars:
            latent = nn.Dense(len(self.scalars), name="latent")(self._features(video, history))
            return finite_scalars.quantize(latent, self.scalars)
        if not self.levels:
            return nn.Dense(self.bits, name="latent")(self._features(video, history))
        patches = space_to_depth(video, self.whole_patch, history, copies=True)
        size = patches.shape[-1]
        if self.channels:
            # The correction starts at zero, so that the code is that of the transform.
            retouch = nn.Dense(size, kernel_init=nn.initializers.zeros, name="retouch")
            patches += retouch(self._features(video, history))
        return Transform(self.levels, self.bits, size, name="transform").encode(patches)

    def _features(self, video: jax.Array, history: History) -> jax.Array:
        """Return the features at each position of the coarsest stage, float32 `[B, t, h, w, C]`."""
        x = space_to_depth(video, self.patch, history, copies=bool(self.levels))
        x = CausalConv(self.channels[0], self.kernel, dtype=self.dtype, name="conv_in")(x, history)
        for stage, width in enumerate(self.channels):
            for block in range(self.blocks):
                x = ResidualBlock(width, self.kernel, self.dtype, name=f"block_{stage}_{block}")(x, history)
            if stage < len(self.strides):
                down = CausalConv(
                    self.channels[stage + 1], (3, 3, 3), self.strides[stage], self.dtype, name=f"down_{stage}"
                )
                x = down(x, history)
        x = nn.silu(nn.RMSNorm(dtype=self.dtype, name="norm_out")(x))
        return x.astype(jnp.float32)  # full precision, because the signs of what follows are the code
