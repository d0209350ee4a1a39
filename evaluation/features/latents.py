"""Features of the look and motion of clips, from the latents of a video tokenizer; they need no download.

In: clips. Out: for each clip the mean and spread of its latents over all positions and times, and their mean change
from one latent frame to the next. The tokenizer is always that of `natural`, so that figures of all models can be
compared.
"""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from reelm.sampling.folder.load import load
from reelm.tokenizer.video.net import VideoNet
from reelm.tokenizer.video.tokenizer import VideoTokenizer, as_float

NAME = "natural_latents"


def features(clips: np.ndarray) -> np.ndarray:
    """Return features float32 `[B, 3 K]` of clips uint8 `[B, T, H, W, 3]`, which are padded to a valid shape."""
    tokenizer = _tokenizer()
    strides = (tokenizer.config.time_stride, tokenizer.config.space_stride, tokenizer.config.space_stride)
    sizes = (clips.shape[1] - 1, *clips.shape[2:4])
    pads = [(0, -size % stride) for size, stride in zip(sizes, strides, strict=True)]
    whole = np.pad(clips, ((0, 0), *pads, (0, 0)), mode="edge")
    return np.asarray(_pooled(VideoNet(tokenizer.config), tokenizer.params, as_float(whole)))


@cache
def _tokenizer() -> VideoTokenizer:
    return load("natural").video_tokenizer


def _pool(net: VideoNet, params: dict, frames: jax.Array) -> jax.Array:
    latents = jnp.asarray(net.apply({"params": params}, frames, method="encode"))
    change = jnp.abs(jnp.diff(latents, axis=1)).sum(axis=(1, 2, 3)) / latents[0, ..., 0].size
    return jnp.concatenate([latents.mean(axis=(1, 2, 3)), latents.std(axis=(1, 2, 3)), change], axis=-1)


_pooled = jax.jit(_pool, static_argnums=0)
