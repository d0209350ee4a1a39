"""The loss of a language model: cross entropy of the codes of a clip, and a small penalty on the scale of logits.

In: a batch of prefixes and codes. Out: a scalar to minimise, and metrics (z-loss: PaLM, arXiv 2204.02311, section 5).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from reelm.device import device
from reelm.lm.likelihood import cross_entropy
from reelm.lm.net.config import LMConfig
from reelm.lm.net.fused_attention import kernel_for
from reelm.lm.parameters import for_training
from reelm.lm.prefix import ClipCodes
from reelm.tokenizer.codes import are_known, flip_bits

from .config import LMRun


def make_loss(run: LMRun):
    """Return `(params, batch, key, step) -> (loss, metrics)`.

    Losses are in nats a code. There are separate metrics for the first latent frame, later ones, and sound.
    """
    dtype = jnp.dtype(run.dtype)
    kernel = run.attention
    if kernel == "auto":
        kernel = kernel_for(device().platform, run.model.head_width, dtype, run.mesh.sequence)

    def loss(params: dict, batch: Mapping[str, Any], key: jax.Array, step: jax.Array) -> tuple[jax.Array, dict]:
        codes: ClipCodes = batch["codes"]
        inputs = _with_noise(codes, key, run.noise_augmentation, run.model) if run.noise_augmentation else codes
        if run.last_frame_dropout:
            inputs = _without_last_frames(inputs, jax.random.fold_in(key, 1), run.last_frame_dropout)
        params = for_training(run.model, params, dtype)
        nats, sound, squares = cross_entropy(
            run.model, params, batch["prefix"], codes, inputs=inputs, dtype=dtype, attention=kernel, remat=run.remat
        )
        per_frame = jnp.mean(nats, axis=(0, 2, 3))
        metrics = {"nats_first": per_frame[0]}
        if codes.video.shape[1] > 1:
            metrics |= {"nats_later": jnp.mean(per_frame[1:])}
        weights = jnp.ones(len(per_frame)).at[0].set(run.first_frame)
        total, count = jnp.sum(nats * weights[:, None, None]), jnp.sum(weights) * (nats.size // len(per_frame))
        if run.model.sound_levels:
            audible = jnp.sum(codes.sound[..., 0] >= 0)
            metrics |= {"nats_sound": jnp.sum(sound) / jnp.maximum(audible, 1)}
            count += audible
        levels = run.sound_decay ** jnp.arange(sound.shape[-1])
        return (total + jnp.sum(sound * levels)) / count + run.z_loss * squares, metrics

    return loss


def metric_names(model: LMConfig, frames: int) -> tuple[str, ...]:
    """Return the names of the metrics of the loss, for clips of up to this many latent frames."""
    return "nats_first", *["nats_later"] * (frames > 1), *["nats_sound"] * (model.sound_levels > 0)


def _with_noise(codes: ClipCodes, key: jax.Array, most: float, model: LMConfig) -> ClipCodes:
    """Flip some bits in a fraction of the codes of clips. A missing sound track stays missing."""
    share_key, video_key, sound_key = jax.random.split(key, 3)
    share = jax.random.uniform(share_key, (codes.video.shape[0],), maxval=most)

    def flipped(ids: jax.Array, key: jax.Array, bits: int) -> jax.Array:
        place_key, count_key, bit_key = jax.random.split(key, 3)
        places = are_known(ids, bits).shape
        hit = jax.random.uniform(place_key, places) < share.reshape(-1, *[1] * (len(places) - 1))
        # Errors of every size, from one wrong bit to a random code.
        flip = jax.random.uniform(count_key, places, maxval=0.5)[..., None]
        flips = jax.random.uniform(bit_key, (*places, bits)) < flip
        return flip_bits(ids, flips & hit[..., None])

    video = flipped(jnp.asarray(codes.video), video_key, model.bits)
    return replace(codes, video=video, sound=flipped(jnp.asarray(codes.sound), sound_key, model.sound_bits))


def _without_last_frames(codes: ClipCodes, key: jax.Array, share: float) -> ClipCodes:
    """Hide the last latent frame in a fraction of the clips."""
    video = jnp.asarray(codes.video)
    hidden = jax.random.bernoulli(key, share, (len(video), *[1] * (video.ndim - 2)))
    return replace(codes, video=video.at[:, -1].set(jnp.where(hidden, -1, video[:, -1])))
