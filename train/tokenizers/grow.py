"""Initialise a tokenizer from a trained one: with larger sizes, with another decoder, or from images to clips.

In: parameters of the trained tokenizer, and fresh ones of the new one. Out: parameters of the new one. Training from
these is faster than from fresh ones.
"""

import re
from typing import Any

import jax
import jax.numpy as jnp
from flax import traverse_util

from reelm.tokenizer.video.config import VideoTokenizerConfig


def grown(old: dict, fresh: dict) -> dict:
    """Return `old` in the sizes of `fresh`: new entries of a parameter are 0, and new parameters are fresh.

    An audio tokenizer that gets a pitch gives up its last latents for it, which `pitch` keeps in their place. Its new
    residual blocks add nothing at first.
    """
    result = {}
    for name, leaf in fresh.items():
        if name not in old:
            result[name] = {**leaf, "mix": jax.tree.map(jnp.zeros_like, leaf["mix"])} if "mix" in leaf else leaf
        elif isinstance(leaf, dict):
            result[name] = grown(old[name], leaf)
        else:
            both = tuple(map(slice, map(min, leaf.shape, old[name].shape)))
            result[name] = jnp.zeros_like(leaf).at[both].set(old[name][both])
    return result


def with_more_bits(old: dict, fresh: dict) -> dict:
    """Return the parameters of a video tokenizer with the bits of `fresh`; its decoder ignores the new bits at first.

    Each new bit, or finite scalar, is a random projection of the encoder's features. If the encoder also started at
    0, all new bits would have the same gradient and stay equal.
    """
    result = grown(old, fresh)
    kernel, bits = result["encoder"]["latent"]["kernel"], old["encoder"]["latent"]["kernel"].shape[-1]
    kernel = kernel.at[:, bits:].set(fresh["encoder"]["latent"]["kernel"][:, bits:])
    result["encoder"]["latent"] = {**result["encoder"]["latent"], "kernel": kernel}
    return result


def with_another_decoder(old: dict, fresh: dict) -> dict:
    """Return the parameters of a video tokenizer with the encoder of `old` and the decoder of `fresh`.

    It takes the nets of the old decoder whose shapes agree.
    """
    return {"encoder": old["encoder"], "decoder": fresh["decoder"] | kept(old["decoder"], fresh["decoder"])}


def kept(trained: dict, decoder: dict) -> dict:
    """Return the nets of a trained decoder that another decoder shares, under the names of the other.

    Stages are numbered from fine to coarse, so the number of finer stages that the trained decoder lacks is added.
    """
    finer, found = len(_stages(decoder)) - len(_stages(trained)), {}
    for name, net in trained.items():
        moved = re.sub(r"(?<=_)\d+", lambda stage: str(int(stage[0]) + finer), name, count=1)
        if moved in decoder and jax.tree.map(jnp.shape, net) == jax.tree.map(jnp.shape, decoder[moved]):
            found[moved] = net
    return found


def _stages(decoder: dict) -> set[str]:
    return {name.split("_")[1] for name in decoder if name.startswith("block_")}


def inflate(config: VideoTokenizerConfig, params: dict) -> dict:
    """Return the parameters of a tokenizer of clips that treats every latent frame as the tokenizer of images does.

    This follows MAGVIT-v2 (arXiv 2310.05737, section 3.2). Every training clip of `params` was one frame, padded with
    zeros, so only the last time tap of each kernel has learned. The other taps become zero. If one latent frame yields
    several frames, all are drawn as the last one was. A still clip is then rebuilt as the image is.
    """
    flat: dict[Any, jax.Array] = {path: _last_tap(leaf) for path, leaf in traverse_util.flatten_dict(params).items()}
    patch_frames = config.patch[0]
    for name, leaf in list(flat.items()):
        part, layer, kind = name[0], name[1], name[-1]
        if (part, layer, kind) == ("encoder", "conv_in", "kernel"):
            # Patches are folded as (frame, row, column, colour); training saw only the last frame of a first patch.
            flat[name] = leaf.at[..., : leaf.shape[-2] // patch_frames * (patch_frames - 1), :].set(0)
        elif part == "decoder" and layer == "pixels":
            flat[name] = _repeat_last(leaf, patch_frames)
        elif part == "decoder" and layer.startswith("up_"):
            flat[name] = _repeat_last(leaf, config.strides[int(layer.removeprefix("up_")) - 1][0])
    return traverse_util.unflatten_dict(flat)


def _last_tap(leaf: Any) -> jax.Array:
    """Zero all time taps but the last of a convolution's kernel `[T, H, W, C, C']`; return other leaves unchanged."""
    leaf = jnp.asarray(leaf)
    return leaf if leaf.ndim != 5 else leaf.at[:-1].set(0)


def _repeat_last(leaf: jax.Array, frames: int) -> jax.Array:
    """Copy the output channels of the last frame to all frames; channels are folded as (frame, ...)."""
    last = leaf[..., leaf.shape[-1] // frames * (frames - 1) :]
    return jnp.concatenate([last] * frames, axis=-1)
