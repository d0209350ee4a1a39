"""Make small clips from large ones, as a model would generate them: shrunk, and most of them rebuilt by its tokenizer.

In: clips float `[B, T, 2H, 2W, 3]` in [-1, 1]. Out: clips `[B, T, H, W, 3]` with 8-bit values, and crops of both. All
functions are traced and run inside the step.
"""

from typing import cast

import jax
import jax.numpy as jnp

from reelm.tokenizer.families import VideoConfig
from reelm.tokenizer.upscaling.config import UpscalerConfig
from reelm.tokenizer.video.net import VideoNet


def rebuilt(config: VideoConfig, params: dict, video: jax.Array, flips: float, key: jax.Array) -> jax.Array:
    """Encode and decode `video` with the tokenizer, with some bits of the codes flipped.

    flips: largest fraction of the bits of a clip; the fraction of each clip is random from 0 to this.
    """
    net, share_key, bit_key = VideoNet(config), *jax.random.split(key)
    latent = cast(jax.Array, net.apply({"params": params}, video, method="encode"))
    share = jax.random.uniform(share_key, (len(video), 1, 1, 1, 1), maxval=flips)
    flipped = jax.random.uniform(bit_key, latent.shape) < share
    code = jnp.where((latent >= 0) ^ flipped, 1.0, -1.0)
    return jnp.clip(cast(jax.Array, net.apply({"params": params}, code, method="decode")), -1, 1)


def small_clips(
    config: VideoConfig | None, params: dict, large: jax.Array, share: float, flips: float, key: jax.Array
) -> jax.Array:
    """Shrink large clips, and rebuild about a `share` of the small ones with a tokenizer; None rebuilds none."""
    soft_key, which_key, flip_key = jax.random.split(key, 3)
    # Blend a mean of 2 x 2 pixels and a sharp filter, because users' clips were shrunk in either way.
    soft = jax.random.uniform(soft_key, (len(large), 1, 1, 1, 1))
    batch, frames, height, width, channels = large.shape
    half = (batch, frames, height // 2, width // 2, channels)
    mean, sharp = (jax.image.resize(large, half, method) for method in ("linear", "lanczos3"))
    small = jnp.clip(soft * mean + (1 - soft) * sharp, -1, 1)
    if config is not None:
        chosen = jax.random.bernoulli(which_key, share, (len(large), 1, 1, 1, 1))
        small = jnp.where(chosen, rebuilt(config, params, small, flips, flip_key), small)
    return jnp.round((small + 1) * 127.5) / 127.5 - 1


def crops(
    config: UpscalerConfig, small: jax.Array, large: jax.Array, side: int, number: int, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return (inputs of the net `[N, past + 1, side + 2 halo, ..., 3]`, targets `[N, 2 side, 2 side, 3]`).

    N is `number` for each clip; each crop has a random frame and position.
    """
    batch, length, height, width, _ = small.shape
    halo, past = config.halo, config.past
    around = ((0, 0), (past, 0), (halo, halo), (halo, halo), (0, 0))
    seen = jnp.pad(small, around, mode="edge")

    def one(clip: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        places = length, (height - side) // 2 + 1, (width - side) // 2 + 1
        frame, row, column = jax.random.randint(key, (3,), 0, jnp.array(places))
        whole = (past + 1, side + 2 * halo, side + 2 * halo, 3)
        taken = jax.lax.dynamic_slice(seen[clip], (frame, 2 * row, 2 * column, 0), whole)
        right = jax.lax.dynamic_slice(large[clip], (frame, 4 * row, 4 * column, 0), (1, 2 * side, 2 * side, 3))
        return taken, right[0]

    clips = jnp.repeat(jnp.arange(batch), number)
    return jax.vmap(one)(clips, jax.random.split(key, len(clips)))
