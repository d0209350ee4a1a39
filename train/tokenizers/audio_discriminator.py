"""The multi-scale STFT discriminator tells rebuilt sounds from real ones by their complex spectra, only in training.

In: sounds `float [B, S, C]`. Out: for each window length a map of logits, high where it looks real, and the features of
the layers (EnCodec, arXiv 2210.13438, section 3.4).
"""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from reelm.evaluation.features.mel import spectra

from .audio_config import AudioDiscriminatorConfig


class StftDiscriminator(nn.Module):
    """One stack of convolutions over time and frequency for each window length."""

    config: AudioDiscriminatorConfig

    @nn.compact
    def __call__(self, sound: jax.Array) -> tuple[list[jax.Array], list[jax.Array]]:
        """Return a list of logits and a list of features."""
        logits, features = [], []
        for window in self.config.windows:
            spectrum = spectra(jnp.moveaxis(sound, -1, 1), window) / window**0.5
            x = jnp.moveaxis(jnp.concatenate([spectrum.real, spectrum.imag], axis=1), 1, -1)  # [B, frames, bins, 2C]
            for layer, (stride, dilation) in enumerate([(1, 1), (2, 1), (2, 2), (2, 4)]):
                x = nn.Conv(
                    self.config.channels,
                    (3, 9),
                    strides=(1, stride),
                    kernel_dilation=(dilation, 1),
                    name=f"conv_{window}_{layer}",
                )(x)
                x = nn.leaky_relu(x, 0.2)
                features.append(x)
            logits.append(nn.Conv(1, (3, 3), name=f"logits_{window}")(x))
        return logits, features


@partial(jax.jit, static_argnums=(0, 1))
def init_params(config: AudioDiscriminatorConfig, channels: int, key: jax.Array) -> dict:
    """Return fresh parameters for sounds of `channels` channels."""
    return dict(StftDiscriminator(config).init(key, jnp.zeros((1, max(config.windows), channels)))["params"])
