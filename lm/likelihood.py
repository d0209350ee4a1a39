"""The likelihood of a clip: logits of its codes, and the cross entropy that training minimises and scores clips by."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.lm.net.config import Kernel, LMConfig, Remat
from reelm.tokenizer.codes import ids_to_sub_tokens

from .prefix import ClipCodes, Prefix, flat
from .sharding import constrain


class Logits(NamedTuple):
    """Logits of R clips, float32, of one sub-token after another. Each is given the true ones before it.

    Attributes:
        video: of each sub-token `[R, t h w, 2^bits]`, latent frame by latent frame in raster order.
        sound: of each level `[R, S, 2^bits]`; empty for silent models.
    """

    video: tuple[jax.Array, ...]
    sound: tuple[jax.Array, ...]


class Nats(NamedTuple):
    """Cross entropy of the codes of R clips, float32.

    Attributes:
        video: `[R, t, h, w]`.
        sound: `[R, S, L]`, of each level of an audio frame; 0 where there is no track.
        squares: mean squared log-normaliser of the distributions of sub-tokens, for the z-loss.
    """

    video: jax.Array
    sound: jax.Array
    squares: jax.Array


def logits(
    config: LMConfig,
    params: dict,
    prefix: Prefix,
    codes: ClipCodes,
    *,
    inputs: ClipCodes | None = None,
    dtype: DTypeLike = jnp.float32,
    attention: Kernel = "xla",
    remat: Remat = "full",
) -> Logits:
    """Return the logits of each code, given the prefix and all codes before it; arguments as for `cross_entropy`."""
    from reelm.lm.net.head import all_logits
    from reelm.lm.net.transformer import forward_all

    layout = config.layout_of(codes, prefix)
    hidden = forward_all(config, params, layout, prefix, inputs or codes, dtype, attention=attention, remat=remat)
    video, sound = _sub_tokens(config, codes)
    if not config.sound_levels:
        return Logits(tuple(all_logits(config, params, "video", hidden, video)), ())
    of_video, of_sound = (constrain(part, "batch", "slots", None) for part in layout.separate(hidden))
    return Logits(
        tuple(all_logits(config, params, "video", of_video, video)),
        tuple(all_logits(config, params, "sound", of_sound, sound)),
    )


def cross_entropy(
    config: LMConfig,
    params: dict,
    prefix: Prefix,
    codes: ClipCodes,
    *,
    inputs: ClipCodes | None = None,
    dtype: DTypeLike = jnp.float32,
    attention: Kernel = "xla",
    remat: Remat = "full",
) -> Nats:
    """Return the cross entropy of each code, given the prefix and all codes before it.

    Args:
        config: sizes of the net.
        params: with stacked layers; under a mesh, as `parameters.for_training` returns them.
        prefix: of R rows.
        codes: of R clips.
        inputs: codes that the net reads in place of `codes`, such as corrupted ones.
        dtype: number format of activations.
        attention, remat: see `transformer.forward_all`.
    """
    found = logits(config, params, prefix, codes, inputs=inputs, dtype=dtype, attention=attention, remat=remat)
    of_video, of_sound = _sub_tokens(config, codes)
    video, squares = _measured(found.video, of_video)
    video = jnp.sum(video, axis=-1).reshape(codes.video.shape[:4])
    if not config.sound_levels:
        return Nats(video, jnp.zeros((len(video), 0, 0)), jnp.mean(squares))
    track = jnp.asarray(codes.sound)[..., 0] >= 0
    sound, more = _measured(found.sound, of_sound)
    squares = (jnp.sum(squares) + jnp.sum(more * track)) / (squares.size + jnp.sum(track))
    return Nats(video, sound * track[..., None], squares)


nats_of = jax.jit(cross_entropy, static_argnums=0)


def _sub_tokens(config: LMConfig, codes: ClipCodes) -> tuple[jax.Array, jax.Array]:
    """Return the sub-tokens of pictures int32 `[R, t h w, n]` and of sound `[R, S, L]`, 0 where there is no track."""
    return ids_to_sub_tokens(flat(codes.video), config.code), jnp.maximum(jnp.asarray(codes.sound), 0)


def _measured(logits: tuple[jax.Array, ...], sub_tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the nats of sub-tokens `[R, N, n]`, and of each code the sum of squared log-normalisers `[R, N]`."""
    nats, squares = [], jnp.zeros(sub_tokens.shape[:2])
    for k, of_one in enumerate(logits):
        normaliser = jax.nn.logsumexp(of_one, axis=-1)
        nats.append(normaliser - jnp.take_along_axis(of_one, sub_tokens[..., k, None], axis=-1)[..., 0])
        squares += jnp.square(normaliser)
    return jnp.stack(nats, axis=-1), squares
