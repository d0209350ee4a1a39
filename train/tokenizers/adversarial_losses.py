"""Losses of adversarial trainings, of pictures and of sound.

In: logits of a discriminator on real samples and on made ones, or its features of both. Out: scalars to descend on. The
video tokenizer plays with the non-saturating losses, R1 and LeCAM, the audio tokenizer with hinge losses and feature
matching. Knows nothing of nets.
"""

from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp


class LogitMeans(flax.struct.PyTreeNode):
    """Moving means of the discriminator's logits on real and on made clips, float32 scalars."""

    real: jax.Array
    made: jax.Array


def non_saturating_loss(made: jax.Array) -> jax.Array:
    """The generator's non-saturating loss on the logits of what it made: mean of -log sigmoid."""
    return jnp.mean(jax.nn.softplus(-made))


def cross_entropy_loss(real: jax.Array, made: jax.Array) -> jax.Array:
    """The discriminator's loss: cross entropy of real against made."""
    return jnp.mean(jax.nn.softplus(-real)) + jnp.mean(jax.nn.softplus(made))


def r1_penalty(logits_of: Callable[[jax.Array], jax.Array], real: jax.Array) -> jax.Array:
    """Half the mean squared norm of the logits' gradient with respect to real clips `[B, T, H, W, 3]`.

    A logit here judges a place; the squared norm of the summed gradient is divided by the number of places, so the
    penalty of a logit does not depend on the size of the clip.
    """
    logits = jax.eval_shape(logits_of, real)
    gradient = jax.grad(lambda video: jnp.sum(logits_of(video)))(real)
    return 0.5 * jnp.sum(jnp.square(gradient)) / logits.size


def lecam_penalty(real: jax.Array, made: jax.Array, means: LogitMeans) -> jax.Array:
    """Squares of how far real logits rise above the mean of made ones, and made ones fall below the mean of real.

    As in the authors' program, where only that side counts: it keeps the discriminator from running away on few data.
    """
    rise = jnp.mean(jnp.square(jax.nn.relu(real - means.made)))
    return rise + jnp.mean(jnp.square(jax.nn.relu(means.real - made)))


def hinge_loss(real: list[jax.Array], rebuilt: list[jax.Array]) -> jax.Array:
    """Hinge: real above 1, rebuilt below -1; the mean over scales of logits."""
    both = [jnp.mean(jax.nn.relu(1 - r)) + jnp.mean(jax.nn.relu(1 + f)) for r, f in zip(real, rebuilt, strict=True)]
    return sum(both, jnp.zeros(())) / len(both)


def hinge_generator_loss(rebuilt: list[jax.Array]) -> jax.Array:
    """What the decoder wants: rebuilt sounds that look real."""
    return sum((-jnp.mean(logits) for logits in rebuilt), jnp.zeros(())) / len(rebuilt)


def feature_distance(real: list[jax.Array], rebuilt: list[jax.Array]) -> jax.Array:
    """Mean absolute difference of features, in units of how large the real ones are."""
    apart = [
        jnp.mean(jnp.abs(r - f)) / (jnp.mean(jnp.abs(jax.lax.stop_gradient(r))) + 1e-6)
        for r, f in zip(real, rebuilt, strict=True)
    ]
    return sum(apart, jnp.zeros(())) / len(apart)
