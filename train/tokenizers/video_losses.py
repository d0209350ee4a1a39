"""What the video tokenizer is trained to do: the weighted terms of one batch, and how its codes are in use.

In: clips `float [B, T, H, W, 3]` in [-1, 1], their reconstructions, the latents between. Out: scalars, each under the
name of its weight in `LossWeights`. What the discriminator adds is in `adversarial.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from reelm.errors import RequestError
from reelm.evaluation.features import lpips
from reelm.tokenizer import quantizer
from reelm.tokenizer.codes import CodeSpec, bits_to_ids


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Weight of each term."""

    reconstruction: float = 5.0
    """Weight of the mean squared error of pixels in [-1, 1]."""
    perceptual: float = 0.0
    """Weight of LPIPS between frames, whose network must be fetched. 0 trains without it."""
    perceptual_frames: int | None = None
    """Frames of each clip that LPIPS sees, drawn anew each step. Default: all frames."""
    commitment: float = 0.25
    """Weight of the squared distance between latents and their signs."""
    sample_entropy: float = 0.1
    """Weight of the entropy of single bits, in nats a code. It makes codes certain."""
    batch_entropy: float = 0.1
    """Weight of the entropy of codes over the batch, in nats a code. Keep it small where clips are mostly background: a
    large weight spends many codes on the background, which is noise to the language model."""
    temperature: float = 1.0
    """Temperature of the bit probabilities in both entropies."""
    entropy_boost: float = 1.0
    """Factor of both entropy weights at step 0. It falls linearly to 1 at step `entropy_decay`."""
    entropy_decay: int = 2_000
    """Step at which the entropy boost has fallen to 1."""

    def __post_init__(self):
        if self.perceptual_frames is not None and self.perceptual_frames < 1:
            raise RequestError(f"perceptual_frames is {self.perceptual_frames}; it must be at least 1, or None for all")
        if self.entropy_decay < 1 or self.temperature <= 0:
            raise RequestError(
                f"entropy_decay starts at 1 and temperature lies above 0, not {self.entropy_decay}, {self.temperature}"
            )

    def at(self, step: jax.Array) -> dict[str, jax.Array | float]:
        """The weight of each term at a step, by the term's name."""
        boost = 1 + (self.entropy_boost - 1) * jnp.maximum(0.0, 1 - step / self.entropy_decay)
        return {
            "reconstruction": self.reconstruction,
            "perceptual": self.perceptual,
            "commitment": self.commitment,
            "sample_entropy": self.sample_entropy * boost,
            "batch_entropy": self.batch_entropy * boost,
        }


def mean_over_clips(values: Sequence[tuple[jax.Array, int]]) -> jax.Array:
    """Mean of (mean over some clips, their number): a still weighs as much as a clip."""
    return sum((value * count for value, count in values), jnp.zeros(())) / sum(count for _, count in values)


def code_terms(latents: Sequence[jax.Array], spec: CodeSpec, temperature: float) -> dict[str, jax.Array]:
    """The losses of latents `[B, t, h, w, K]` of each part of a batch; entropies in nats a code, over all positions."""
    flat = jnp.concatenate([latent.reshape(-1, spec.bits) for latent in latents])
    return {
        "commitment": quantizer.commitment(flat),
        "sample_entropy": quantizer.sample_entropy(flat, temperature),
        "batch_entropy": -quantizer.batch_entropy(flat, spec, temperature),
    }


def perceptual(params: dict, original: jax.Array, rebuilt: jax.Array, frames: int | None, key: jax.Array) -> jax.Array:
    """Mean LPIPS over frames of clips `[B, T, H, W, 3]`, over `frames` of each drawn by `key`, or over all."""
    clips, length = original.shape[:2]
    if frames is not None and frames < length:
        order = jax.vmap(lambda k: jax.random.permutation(k, length)[:frames])(jax.random.split(key, clips))
        original, rebuilt = (video[jnp.arange(clips)[:, None], order] for video in (original, rebuilt))
    flat = [video.reshape(-1, *video.shape[2:]) for video in (original, rebuilt)]
    return jnp.mean(lpips.distance(params, *flat))


def code_use(latents: Sequence[jax.Array], spec: CodeSpec) -> dict[str, jax.Array]:
    """How the codes of one batch are in use: a collapse shows here first.

    codes_used: distinct codes
    bit_balance, bit_balance_least: 1 for a bit that is set half of the time, 0 for one that never changes; mean, least
    """
    bits = jnp.concatenate([latent.reshape(-1, spec.bits) for latent in latents]) >= 0
    ids = jnp.sort(bits_to_ids(bits))
    balance = 1 - jnp.abs(2 * jnp.mean(bits, axis=0) - 1)
    return {
        "codes_used": 1.0 + jnp.sum(ids[1:] != ids[:-1]),
        "bit_balance": jnp.mean(balance),
        "bit_balance_least": jnp.min(balance),
    }
