"""The net of a describer; see `describer.py`."""

from typing import cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from reelm.tokenizer.codes import are_known, ids_to_signs, to_device

from .describer_config import DescriberConfig

_NORM_EPSILON = 1e-3


class _Block(nn.Module):
    """A residual convolution over all axes but the first and the last, and a mixing of channels."""

    kernel: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = (self.kernel,) * (x.ndim - 2)
        y = nn.gelu(nn.Conv(x.shape[-1], kernel, name="mix_places")(nn.LayerNorm(_NORM_EPSILON, name="norm")(x)))
        return x + nn.Dense(x.shape[-1], name="mix_channels")(y)


class DescriberNet(nn.Module):
    """Log-odds float32 `[B, words]` of pictures int32 `[B, t, h, w]` and audio frames `[B, S, L]`, -1 for none.

    Codes of pictures are as a device holds them.
    """

    config: DescriberConfig

    @nn.compact
    def __call__(self, video: jax.Array, sound: jax.Array, dropout: float = 0.0) -> jax.Array:
        config, drop = self.config, nn.Dropout(dropout, deterministic=not dropout)
        # The latent frames of a place become channels: what moved shows as their difference.
        seen = jnp.moveaxis(_signs(video, config.bits), 1, 3)
        seen = seen.reshape(*seen.shape[:3], -1)
        seen = nn.gelu(nn.Dense(3 * config.width, name="codes")(seen))
        seen = drop(nn.Dense(config.width, name="picture")(seen))
        for i in range(config.blocks):
            seen = _Block(3, name=f"picture_{i}")(seen)
        pooled = [seen.mean((1, 2)), seen.max((1, 2))]
        if config.sound_levels:
            heard = _signs(sound, config.sound_bits).reshape(*sound.shape[:2], -1)
            heard = drop(nn.Dense(config.width, name="sound")(heard))
            for i in range(config.blocks):
                heard = _Block(5, name=f"sound_{i}")(heard)
            pooled += [heard.mean(1), heard.max(1)]
        return nn.Dense(len(config.words), name="words")(drop(jnp.concatenate(pooled, axis=-1)))


def _signs(ids: jax.Array, bits: int) -> jax.Array:
    """The bits of codes as -1 and 1 `[..., bits]`; 0 where there is no code."""
    return ids_to_signs(ids, bits) * are_known(ids, bits)[..., None]


def init_params(config: DescriberConfig, key: jax.Array) -> dict:
    """Fresh parameters, nested dict of float32."""
    video = to_device(np.zeros((1, config.frames, 1, 1), int), config.bits)
    sound = jnp.zeros((1, config.audio_frames, config.sound_levels), jnp.int32)
    return cast(dict, DescriberNet(config).init(key, video, sound)["params"])
