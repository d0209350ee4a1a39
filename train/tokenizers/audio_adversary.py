"""The adversary of the audio tokenizer: hinge losses and feature matching (SoundStream, arXiv 2107.03312, III-D).

In: the pair (real, rebuilt) of sounds `float [B, S, C]`. Out: the losses of both players, as an `Adversary`.
"""

from dataclasses import dataclass
from typing import Any, cast

import jax
import jax.numpy as jnp

from reelm.train.step.adversarial import AdversarialState, Metrics, Pairs

from . import audio_discriminator
from .audio_config import AudioDiscriminatorConfig, SoundLossWeights
from .audio_discriminator import StftDiscriminator


@dataclass(frozen=True)
class AudioAdversary:
    """An `Adversary` that judges sounds.

    Attributes:
        net: sizes of the discriminator.
        channels: channels of the sounds.
        weights: weights of the generator's losses.
    """

    net: AudioDiscriminatorConfig
    channels: int
    weights: SoundLossWeights

    def init(self, key: jax.Array) -> tuple[dict, None]:
        """Return fresh parameters; hinge losses need no logit means."""
        return audio_discriminator.init_params(self.net, self.channels, key), None

    def generator_loss(self, state: AdversarialState, pairs: Pairs) -> tuple[jax.Array, Metrics]:
        """Return the sum of weighted hinge loss and feature distance, and each of them; 0 before `adversarial_from`."""
        [(sound, rebuilt)] = pairs
        (_, real_features), (fake, fake_features) = (self._judge(state.adversary, each) for each in (sound, rebuilt))
        counts = (state.step >= self.weights.adversarial_from).astype(jnp.float32)
        terms = {
            "adversarial": counts * hinge_generator_loss(fake),
            "feature_matching": counts * feature_distance(real_features, fake_features),
        }
        return sum((getattr(self.weights, name) * term for name, term in terms.items()), jnp.zeros(())), terms

    def learn(self, state: AdversarialState, pairs: Pairs) -> tuple[jax.Array, dict, Metrics, None]:
        [(sound, rebuilt)] = pairs

        def hinge(params: Any) -> jax.Array:
            (real, _), (fake, _) = self._judge(params, sound), self._judge(params, rebuilt)
            return hinge_loss(real, fake)

        loss, gradient = jax.value_and_grad(hinge)(state.adversary)
        return loss, gradient, {"discriminator": loss}, None

    def _judge(self, params: Any, sound: jax.Array) -> tuple[list[jax.Array], list[jax.Array]]:
        """Return the logits and features of each window length."""
        return cast(Any, StftDiscriminator(self.net).apply({"params": params}, sound))


def hinge_loss(real: list[jax.Array], rebuilt: list[jax.Array]) -> jax.Array:
    """Return the discriminator's hinge loss (real above 1, rebuilt below -1), the mean over window lengths."""
    both = [jnp.mean(jax.nn.relu(1 - r)) + jnp.mean(jax.nn.relu(1 + f)) for r, f in zip(real, rebuilt, strict=True)]
    return sum(both, jnp.zeros(())) / len(both)


def hinge_generator_loss(rebuilt: list[jax.Array]) -> jax.Array:
    """Return the decoder's hinge loss, which is low when rebuilt sounds look real."""
    return sum((-jnp.mean(logits) for logits in rebuilt), jnp.zeros(())) / len(rebuilt)


def feature_distance(real: list[jax.Array], rebuilt: list[jax.Array]) -> jax.Array:
    """Return the mean absolute difference of features, relative to the magnitude of the real ones."""
    apart = [
        jnp.mean(jnp.abs(r - f)) / (jnp.mean(jnp.abs(jax.lax.stop_gradient(r))) + 1e-6)
        for r, f in zip(real, rebuilt, strict=True)
    ]
    return sum(apart, jnp.zeros(())) / len(apart)
