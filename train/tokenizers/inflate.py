"""From images to video: a tokenizer that was trained on single frames, made one of clips (MAGVIT-v2, section 3.2).

In: parameters of a video tokenizer whose every training clip was one frame. Before a first frame stand zeros, so of
each kernel only the last time tap has learnt. Out: parameters of the same shapes that treat every latent frame as that
image: the other taps are zero, and where one latent frame becomes several frames, each is painted as the last was. A
still clip is then rebuilt as the image is, and training on clips goes on from there.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import traverse_util

from reelm.tokenizer.video.config import VideoTokenizerConfig


def inflate(config: VideoTokenizerConfig, params: dict) -> dict:
    """Parameters {"encoder": ..., "decoder": ...} of an image tokenizer as those of one of clips."""
    flat: dict[Any, jax.Array] = {path: _last_tap(leaf) for path, leaf in traverse_util.flatten_dict(params).items()}
    patch_frames = config.patch[0]
    for name, leaf in list(flat.items()):
        part, layer, kind = name[0], name[1], name[-1]
        if (part, layer, kind) == ("encoder", "conv_in", "kernel"):
            # Patches are folded as (frame, row, column, colour); of the first one only the last frame was ever seen.
            flat[name] = leaf.at[..., : leaf.shape[-2] // patch_frames * (patch_frames - 1), :].set(0)
        elif part == "decoder" and layer == "pixels":
            flat[name] = _repeat_last(leaf, patch_frames)
        elif part == "decoder" and layer.startswith("up_"):
            flat[name] = _repeat_last(leaf, config.strides[int(layer.removeprefix("up_")) - 1][0])
    return traverse_util.unflatten_dict(flat)


def _last_tap(leaf: Any) -> jax.Array:
    """A convolution's kernel `[T, H, W, C, C']` with zeros in all time taps but the last; anything else as it is."""
    leaf = jnp.asarray(leaf)
    return leaf if leaf.ndim != 5 else leaf.at[:-1].set(0)


def _repeat_last(leaf: jax.Array, frames: int) -> jax.Array:
    """Output channels, folded as (frame, ...), all as those of the last frame."""
    last = leaf[..., leaf.shape[-1] // frames * (frames - 1) :]
    return jnp.concatenate([last] * frames, axis=-1)
