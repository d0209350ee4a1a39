"""The audio encoder: whole hops of samples `float [B, S, C]` in [-1, 1] to latents `[B, F, D]` in [-2, 2]."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.tokenizer.history import History

from .convolution import NORM_EPSILON, CausalConv1D, ResidualBlock1D, fold
from .spectra import analyse


class AudioEncoder(nn.Module):
    """Spectra, then for each stage residual blocks of growing dilation (1, 3, 9 ...) at a coarser rate."""

    latent: int
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    blocks: int
    kernel: int
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, sound: jax.Array, history: History) -> jax.Array:
        x = analyse(sound, self.strides[0], history)
        x = nn.Dense(self.channels[0], dtype=self.dtype, name="spectra")(x)
        for stage, (width, stride) in enumerate(zip(self.channels, self.strides, strict=True)):
            if stage > 0:
                # Two folded steps: a window twice as long as the stride.
                x = CausalConv1D(width, 2, dtype=self.dtype, name=f"down_{stage}")(fold(x, stride), history)
            for block in range(self.blocks):
                name = f"block_{stage}_{block}"
                x = ResidualBlock1D(width, self.kernel, 3**block, self.dtype, name=name)(x, history)
        x = nn.silu(nn.RMSNorm(NORM_EPSILON, dtype=self.dtype, name="norm_out")(x))
        # Signs are taken of it, so full precision; and bounded, since the codes have nothing to say beyond.
        return 2.0 * jnp.tanh(nn.Dense(self.latent, name="latent")(x.astype(jnp.float32)))
