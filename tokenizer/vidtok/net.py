"""The causal nets of VidTok (arXiv 2412.13061, section 3): stages of residual blocks over space, then over time.

Arrays are `[B, T, H, W, C]`. In: frames in [-1, 1]. Out: codes of -1 and +1; the decoder is the reverse. All layers see
the present and the past, and attention stays within a frame. So with a `History`, chunks and whole clips compute the
same. As in the reference (microsoft/VidTok), the first frame is padded with copies of itself, and the first input of
every layer with zeros.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.tokenizer import finite_scalars
from reelm.tokenizer.history import History
from reelm.tokenizer.video.convolution import CausalConv

from .blocks import Attention, Double, DoubleTime, HalveTime, Residual, norm

_SPACE, _TIME, _BOTH = (1, 3, 3), (3, 1, 1), (3, 3, 3)


class VidTokEncoder(nn.Module):
    """Encodes frames `float [B, T, H, W, 3]` to codes `float32 [B, t, h, w, K]`.

    Attributes:
        levels: of each latent.
        channels: of each stage, from fine to coarse.
        blocks: residual blocks of a stage, each of space and then of time.
        halves: stages after which time is halved.
        dtype: number format of activations; None for float32.
    """

    levels: tuple[int, ...]
    channels: tuple[int, ...]
    blocks: int
    halves: tuple[int, ...]
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, video: jax.Array, history: History) -> jax.Array:
        x, stride = video, 2 ** len(self.halves)
        if history.first:
            x = jnp.pad(x, ((0, 0), (stride - 1, 0), (0, 0), (0, 0), (0, 0)), mode="edge")
        x = CausalConv(self.channels[0], _BOTH, dtype=self.dtype, name="conv_in")(x, history)
        for stage, width in enumerate(self.channels):
            x = _stage(x, history, stage, width, self.blocks, self.dtype)
            if stage < len(self.channels) - 1:
                x = CausalConv(width, _SPACE, (1, 2), self.dtype, name=f"half_{stage}")(x, history)
            if stage in self.halves:
                x = HalveTime(width, self.dtype, name=f"half_time_{stage}")(x, history)
        x = _middle(x, history, self.dtype)
        x = nn.silu(norm(self.dtype, "norm_out")(x))
        latent = CausalConv(len(self.levels), _BOTH, name="conv_out")(x.astype(jnp.float32), history)
        return finite_scalars.quantize(latent, self.levels)


class VidTokDecoder(nn.Module):
    """Decodes codes `float [B, t, h, w, K]` of -1 and +1 to frames `float32 [B, T, H, W, 3]`.

    Attributes:
        levels: of each latent.
        channels: of each stage, from fine to coarse.
        blocks: residual blocks of a stage, each of space and then of time.
        doubles: stages after which time is doubled.
        dtype: number format of activations; None for float32.
    """

    levels: tuple[int, ...]
    channels: tuple[int, ...]
    blocks: int
    doubles: tuple[int, ...]
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, code: jax.Array, history: History) -> jax.Array:
        latent = finite_scalars.values(code, self.levels)
        x = CausalConv(self.channels[-1], _BOTH, dtype=self.dtype, name="conv_in")(latent, history)
        x = _middle(x, history, self.dtype)
        for stage in reversed(range(len(self.channels))):
            width = self.channels[stage]
            x = _stage(x, history, stage, width, self.blocks, self.dtype)
            if stage:
                x = Double(width, self.dtype, name=f"double_{stage}")(x)
            if stage in self.doubles:
                x = DoubleTime(width, self.dtype, name=f"double_time_{stage}")(x, history)
        x = nn.silu(norm(self.dtype, "norm_out")(x))
        frames = CausalConv(3, _BOTH, name="conv_out")(x.astype(jnp.float32), history)
        return frames[:, 2 ** len(self.doubles) - 1 :] if history.first else frames


def _stage(x: jax.Array, history: History, stage: int, width: int, blocks: int, dtype: DTypeLike | None) -> jax.Array:
    """Return a stage's array after its residual blocks; call it inside a module."""
    for block in range(blocks):
        x = Residual(width, _SPACE, dtype, name=f"space_{stage}_{block}")(x, history)
        x = Residual(width, _TIME, dtype, name=f"time_{stage}_{block}")(x, history)
    return x


def _middle(x: jax.Array, history: History, dtype: DTypeLike | None) -> jax.Array:
    """Return the coarsest stage's array after two blocks with attention between them; call it inside a module."""
    x = Residual(x.shape[-1], _BOTH, dtype, name="middle_1")(x, history)
    x = Attention(dtype, name="attention")(x)
    return Residual(x.shape[-1], _BOTH, dtype, name="middle_2")(x, history)
