"""The loss of the video tokenizer: the weighted terms of one batch, and statistics of its codes.

In: clips `float [B, T, H, W, 3]` in [-1, 1], their reconstructions, the latents between. Out: scalars, each under the
name of its weight in `LossWeights`. The adversarial terms are in `video_adversary.py`.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from reelm.evaluation.features import lpips
from reelm.tokenizer import quantizer
from reelm.tokenizer.code_spec import CodeSpec
from reelm.tokenizer.codes import bits_to_ids
from reelm.tokenizer.video.net import VideoNet
from reelm.tokenizer.video.tokenizer import autoencode
from reelm.train.step.adversarial import Terms

from .video_config import LossWeights, VideoTokenizerRun


def make_loss(run: VideoTokenizerRun):
    """Return `(params, batch, key, step) -> (loss, (metrics, pairs))`; entropies in nats, psnr in dB.

    A batch is {"clips": `[B, T, H, W, 3]`, "stills": `[B', 1, H', W', 3]` or absent}; `pairs` holds (original, rebuilt)
    of each. If LPIPS has a weight, a batch is (that dict, the weights of LPIPS).
    """
    config, weights = run.model, run.losses

    def loss(params: dict, batch: Any, key: jax.Array, step: jax.Array) -> Terms:
        parts, features = batch if weights.perceptual else (batch, {})
        pairs, latents = [], []
        for name, video in parts.items():
            rebuilt, latent = autoencode(config, params, video, jnp.dtype(run.dtype))
            if name == "clips" and run.data.cuts:
                rebuilt = with_cuts(VideoNet(config, jnp.dtype(run.dtype)), params, rebuilt, latent, run.data.cuts)
            pairs.append((video, rebuilt))
            latents.append(latent)
        error = mean_over_clips([(jnp.mean(jnp.square(rebuilt - video)), len(video)) for video, rebuilt in pairs])
        terms = {"reconstruction": error}
        if not config.scalars:  # finite scalar quantization uses its codes without these terms
            terms |= code_terms(latents, config.code, weights.temperature)
        if weights.log_error:
            terms["log_error"] = mean_over_clips([(log_error(*pair), len(pair[0])) for pair in pairs])
        if weights.perceptual:
            seen = [perceptual(features, before, after, weights.perceptual_frames, key) for before, after in pairs]
            terms["perceptual"] = mean_over_clips(
                [(mean, len(pair[0])) for mean, pair in zip(seen, pairs, strict=True)]
            )
        now = weights_at(weights, step)
        total = sum((now[name] * term for name, term in terms.items()), jnp.zeros(()))
        # The loss falls as the entropy over the batch rises; a log shows the entropy itself.
        shown = {name: -term if name == "batch_entropy" else term for name, term in terms.items()}
        shown["psnr"] = -10 * jnp.log10(error / 4)
        return total, ({**shown, **code_use(latents, config.code)}, pairs)

    return loss


def weights_at(weights: LossWeights, step: jax.Array) -> dict[str, jax.Array | float]:
    """Return the weight of each term at a step, by the term's name."""
    boost = 1 + (weights.entropy_boost - 1) * jnp.maximum(0.0, 1 - step / weights.entropy_decay)
    return {
        "reconstruction": weights.reconstruction,
        "log_error": weights.log_error,
        "perceptual": weights.perceptual,
        "commitment": weights.commitment,
        "sample_entropy": weights.sample_entropy * boost,
        "batch_entropy": weights.batch_entropy * boost,
    }


def with_cuts(net: VideoNet, params: dict, rebuilt: jax.Array, latent: jax.Array, share: float) -> jax.Array:
    """Decode a fraction of clips `[B, T, H, W, 3]`, at least one, as if there was a cut after their first frame.

    The frames after it are decoded without a past. A clip of one frame does not change.
    """
    if latent.shape[1] == 1:
        return rebuilt
    count = max(1, round(share * len(rebuilt)))
    codes = quantizer.quantize(latent[:count, 1:])
    behind = net.apply({"params": params}, codes, cut=True, method=VideoNet.decode)
    return rebuilt.at[:count, 1:].set(jnp.asarray(behind))


def mean_over_clips(values: Sequence[tuple[jax.Array, int]]) -> jax.Array:
    """Return the mean of pairs (mean over some clips, their number), so that a still weighs as much as a clip."""
    return sum((value * count for value, count in values), jnp.zeros(())) / sum(count for _, count in values)


def log_error(original: jax.Array, rebuilt: jax.Array) -> jax.Array:
    """Return the mean over clips `[B, T, H, W, 3]` of the logarithm of their squared error, at best that of 43 dB."""
    error = jnp.mean(jnp.square(rebuilt - original), axis=(1, 2, 3, 4))
    return jnp.mean(jnp.log(error + 2e-4))


def code_terms(latents: Sequence[jax.Array], spec: CodeSpec, temperature: float) -> dict[str, jax.Array]:
    """Return the losses of latents `[B, t, h, w, K]` of each part of a batch; entropies in nats a code."""
    flat = jnp.concatenate([latent.reshape(-1, spec.bits) for latent in latents])
    return {
        "commitment": quantizer.commitment(flat),
        "sample_entropy": quantizer.sample_entropy(flat, temperature),
        "batch_entropy": -quantizer.batch_entropy(flat, spec, temperature),
    }


def perceptual(params: dict, original: jax.Array, rebuilt: jax.Array, frames: int | None, key: jax.Array) -> jax.Array:
    """Return the mean LPIPS over frames of clips `[B, T, H, W, 3]`: `frames` random ones of each, or all for None."""
    clips, length = original.shape[:2]
    if frames is not None and frames < length:
        order = jax.vmap(lambda k: jax.random.permutation(k, length)[:frames])(jax.random.split(key, clips))
        original, rebuilt = (video[jnp.arange(clips)[:, None], order] for video in (original, rebuilt))
    flat = [video.reshape(-1, *video.shape[2:]) for video in (original, rebuilt)]
    return jnp.mean(lpips.distance(params, *flat))


def code_use(latents: Sequence[jax.Array], spec: CodeSpec) -> dict[str, jax.Array]:
    """Return statistics of the codes of one batch, in which a collapse shows first.

    codes_used: distinct codes
    bit_balance, bit_balance_least: 1 for a bit that is set half of the time, 0 for one that never changes; mean, least
    """
    bits = jnp.concatenate([latent.reshape(-1, spec.bits) for latent in latents]) >= 0
    ids = bits_to_ids(bits).reshape(len(bits), -1)
    ids = ids[jnp.lexsort(ids.T)]
    balance = 1 - jnp.abs(2 * jnp.mean(bits, axis=0) - 1)
    return {
        "codes_used": 1.0 + jnp.sum(jnp.any(ids[1:] != ids[:-1], axis=-1)),
        "bit_balance": jnp.mean(balance),
        "bit_balance_least": jnp.min(balance),
    }
