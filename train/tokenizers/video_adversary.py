"""The adversary of the video tokenizer: non-saturating losses, R1 and LeCAM (MAGVIT-v2, arXiv 2310.05737, appendix A).

In: pairs (real, made) of clips `float [B, T, H, W, 3]` in [-1, 1]. Out: the losses of both players, as a
`step.adversarial.Adversary`. Every logit of every part of a batch has the same weight.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.train.step.adversarial import AdversarialState, Metrics, Pairs

from . import video_discriminator
from .video_config import AdversaryConfig
from .video_discriminator import discriminate


class LogitMeans(flax.struct.PyTreeNode):
    """Moving means of the discriminator's logits on real and on made clips, float32 scalars."""

    real: jax.Array
    made: jax.Array


@dataclass(frozen=True)
class VideoAdversary:
    """An `Adversary` that judges clips.

    Attributes:
        config: sizes of the discriminator and weights of the losses.
        dtype: number format of its activations; None keeps that of the clips.
    """

    config: AdversaryConfig
    dtype: DTypeLike | None = None

    def init(self, key: jax.Array) -> tuple[dict, LogitMeans]:
        """Return fresh parameters, and means of zero."""
        return video_discriminator.init_params(self.config.net, key), LogitMeans(real=jnp.zeros(()), made=jnp.zeros(()))

    def generator_loss(self, state: AdversarialState, pairs: Pairs) -> tuple[jax.Array, Metrics]:
        """Return the non-saturating loss, weighted from step `start` on, and the unweighted metrics."""
        fooled = non_saturating_loss(self._logits(state.adversary, [made for _, made in pairs]))
        return jnp.where(state.step >= self.config.start, self.config.weight, 0.0) * fooled, {"adversarial": fooled}

    def learn(self, state: AdversarialState, pairs: Pairs) -> tuple[jax.Array, dict, Metrics, LogitMeans]:
        """Return the gradient of cross entropy and LeCAM, and every `r1_every` steps that of R1."""
        config = self.config

        def total(params: Any) -> tuple[jax.Array, Metrics]:
            real, made = (self._logits(params, list(clips)) for clips in zip(*pairs, strict=True))
            loss, lecam = cross_entropy_loss(real, made), lecam_penalty(real, made, state.logit_means)
            terms = {"discriminator": loss, "lecam": lecam, "logit_real": jnp.mean(real), "logit_made": jnp.mean(made)}
            return loss + config.lecam * lecam, terms

        def penalty(params: Any) -> jax.Array:
            # Only on the first part, because the penalty keeps the discriminator smooth wherever it is measured.
            return r1_penalty(lambda video: discriminate(config.net, params, video, self.dtype), pairs[0][0])

        def nothing(params: Any) -> tuple[jax.Array, Any]:
            return jnp.zeros(()), jax.tree.map(jnp.zeros_like, params)

        (loss, terms), gradient = jax.value_and_grad(total, has_aux=True)(state.adversary)
        due = state.step % config.r1_every == 0
        r1, r1_gradient = jax.lax.cond(due, jax.value_and_grad(penalty), nothing, state.adversary)
        scale = config.r1 * config.r1_every
        gradient = jax.tree.map(lambda a, b: a + scale * b, gradient, r1_gradient)
        means = jax.tree.map(
            lambda old, new: config.lecam_decay * old + (1 - config.lecam_decay) * new,
            state.logit_means,
            LogitMeans(real=terms["logit_real"], made=terms["logit_made"]),
        )
        # Scaled, so that the mean over the steps of a log line is the mean of the steps that have a penalty.
        return loss, gradient, {**terms, "r1": r1 * config.r1_every}, means

    def _logits(self, params: Any, videos: list[jax.Array]) -> jax.Array:
        """Return the logits of all clips as one vector."""
        return jnp.concatenate([discriminate(self.config.net, params, video, self.dtype).ravel() for video in videos])


def non_saturating_loss(made: jax.Array) -> jax.Array:
    """Return the generator's non-saturating loss on the logits of its clips: the mean of -log sigmoid."""
    return jnp.mean(jax.nn.softplus(-made))


def cross_entropy_loss(real: jax.Array, made: jax.Array) -> jax.Array:
    """Return the discriminator's loss: cross entropy of real against made."""
    return jnp.mean(jax.nn.softplus(-real)) + jnp.mean(jax.nn.softplus(made))


def r1_penalty(logits_of: Callable[[jax.Array], jax.Array], real: jax.Array) -> jax.Array:
    """Return half the mean squared norm of the logits' gradient with respect to real clips `[B, T, H, W, 3]`.

    A logit here judges a position. The squared norm of the summed gradient is divided by the number of positions, so
    the penalty of a logit does not depend on the size of the clip.
    """
    logits = jax.eval_shape(logits_of, real)
    gradient = jax.grad(lambda video: jnp.sum(logits_of(video)))(real)
    return 0.5 * jnp.sum(jnp.square(gradient)) / logits.size


def lecam_penalty(real: jax.Array, made: jax.Array, means: LogitMeans) -> jax.Array:
    """Return the squares of how far real logits are above the mean of made ones, and made ones below the mean of real.

    Only these sides count, as in the authors' code. The penalty keeps the discriminator from overfitting few data.
    """
    rise = jnp.mean(jnp.square(jax.nn.relu(real - means.made)))
    return rise + jnp.mean(jnp.square(jax.nn.relu(means.real - made)))
