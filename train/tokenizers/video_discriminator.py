"""The discriminator of video: clips `float [B, T, H, W, 3]` in [-1, 1] to logits `[B, t, h, w]`, high for real footage.

Residual stages with blurred down-sampling (StyleGAN2, arXiv 1912.04958; in three dimensions as in MAGVIT, arXiv
2212.05199, appendix A). Unlike those it gives a logit per position and not per clip, so that the same weights judge
every size. It is causal in time, as the tokenizer is: a still is a clip of one frame.
"""

from typing import cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.tokenizer.history import History
from reelm.tokenizer.video.convolution import CausalConv

from .video_config import VideoDiscriminatorConfig


def blur_pool(x: jax.Array, *, time: bool) -> jax.Array:
    """Halve rows and columns of `[B, T, H, W, C]`, and frames with `time`; constants do not change.

    The binomial filter 1 3 3 1 is applied before every second value is dropped, to prevent aliasing (arXiv 1904.11486).
    It uses slices and sums, since convolutions of one channel each are slow on every device.
    """
    x = _halve(_halve(x, axis=2), axis=3)
    return _halve(x, axis=1, causal=True) if time else x


def _halve(x: jax.Array, *, axis: int, causal: bool = False) -> jax.Array:
    size = (x.shape[axis] + 1) // 2
    missing = 2 * size + 2 - x.shape[axis]
    padding = [(0, 0)] * x.ndim
    padding[axis] = (missing, 0) if causal else (1, missing - 1)
    x = jnp.pad(x, padding, mode="edge")
    taps = [jax.lax.slice_in_dim(x, i, i + 2 * size - 1, 2, axis) for i in range(4)]
    return (taps[0] + 3 * taps[1] + 3 * taps[2] + taps[3]) / 8


class Discriminator(nn.Module):
    """The discriminator net, with activations in `dtype` and logits in float32."""

    channels: tuple[int, ...]
    halve_time: tuple[bool, ...]
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, video: jax.Array) -> jax.Array:
        history = History()
        x = _leaky(CausalConv(self.channels[0], dtype=self.dtype, name="conv_in")(video, history))
        for stage, (features, time) in enumerate(zip(self.channels[1:], self.halve_time, strict=True)):
            y = _leaky(CausalConv(x.shape[-1], dtype=self.dtype, name=f"conv_{stage}_0")(x, history))
            y = CausalConv(features, dtype=self.dtype, name=f"conv_{stage}_1")(blur_pool(y, time=time), history)
            x = blur_pool(x, time=time)
            x = nn.Dense(features, use_bias=False, dtype=self.dtype, name=f"skip_{stage}")(x)
            x = (x + _leaky(y)) / jnp.sqrt(2.0).astype(x.dtype)  # so that stages keep the scale
        x = _leaky(CausalConv(self.channels[-1], dtype=self.dtype, name="conv_out")(x, history))
        return nn.Dense(1, name="logit")(x.astype(jnp.float32))[..., 0]


def init_params(config: VideoDiscriminatorConfig, key: jax.Array) -> dict:
    """Return fresh parameters as nested dicts of float32."""
    size = 1 << len(config.halve_time)
    # The compiler removes all of the net except the random draws.
    return jax.jit(_net(config, None).init)(key, jnp.zeros((1, 1, size, size, 3)))["params"]


def discriminate(
    config: VideoDiscriminatorConfig, params: dict, video: jax.Array, dtype: DTypeLike | None = None
) -> jax.Array:
    """Return the logits `[B, t, h, w]` of clips `[B, T, H, W, 3]`."""
    return cast(jax.Array, _net(config, dtype).apply({"params": params}, video))


def _net(config: VideoDiscriminatorConfig, dtype: DTypeLike | None) -> Discriminator:
    return Discriminator(config.channels, config.halve_time, dtype)


def _leaky(x: jax.Array) -> jax.Array:
    return nn.leaky_relu(x, 0.2)
