"""The moving part of decoding, and the prefill that starts it."""

from functools import partial

import jax
import jax.numpy as jnp
from flax import struct
from jax.typing import DTypeLike

from reelm.lm.layout import Layout
from reelm.lm.net import transformer
from reelm.lm.net.cache import Cache
from reelm.lm.net.config import LMConfig
from reelm.lm.net.transformer import Line
from reelm.lm.prefix import Prefix
from reelm.lm.sharding import hold
from reelm.lm.specials import Group


class DecodeState(struct.PyTreeNode):
    """Everything that moves while clips are decoded. R rows are B clips, or 2B with guidance (conditional rows first).

    Attributes:
        line: where the codes stand.
        cache: prefix and codes read so far, `[R, S, N_kv, K]` a layer. Slots from `position` on hold what was guessed.
        hidden: `[R, D]`, what predicts the code at `position`.
        guesses: group -> sub-tokens int32 `[B, N, n]`, what to try first in the next latent frame; -1 for no idea.
        position: int32 scalar, number of codes read.
        origin: int32 scalar, place of the first of them in the whole endless stream; draws are keyed by that place.
        keys: random keys `[B]`, one a clip.
    """

    line: Line
    cache: Cache
    hidden: jax.Array
    guesses: dict[Group, jax.Array]
    position: jax.Array
    origin: jax.Array
    keys: jax.Array

    def held(self) -> "DecodeState":
        """On a mesh all in its place, the same after each program: in another place it would compile the next anew."""
        by_clip = {"hidden": self.hidden, "guesses": self.guesses, "keys": self.keys}
        whole = {"line": self.line, "position": self.position, "origin": self.origin}
        return self.replace(
            **jax.tree.map(lambda leaf: hold(leaf, "batch", *[None] * (leaf.ndim - 1)), by_clip),
            **jax.tree.map(lambda leaf: hold(leaf, *[None] * leaf.ndim), whole),
        )


@partial(jax.jit, static_argnames=("config", "layout", "slots", "window", "guided", "dtype"))
def start(
    config: LMConfig,
    layout: Layout,
    slots: int,
    window: int,
    guided: bool,
    dtype: DTypeLike,
    params: dict,
    prefix: Prefix,
    origin: jax.Array | int,
    keys: jax.Array,
) -> DecodeState:
    """Reads prefixes into a new cache; see `decode` for the rest.

    layout: static; of this very window.
    slots: static; of the layout that `decode` is given.
    window: static; the widest that `decode` is given.
    prefix: a row for each of the B clips that `keys` belong to, or one for each B / n clips that stand together; with
    guidance, as many rows again.
    origin: place of the first code in the whole stream.
    """
    # A window may reach past the last code: what it writes there is never read, but needs room.
    slots += window - 1
    cache = transformer.empty_cache(config, prefix.words.shape[0], slots, dtype)
    hidden, cache = transformer.prefill(config, params, layout, prefix, cache, dtype)
    # Samples of one prompt share the reading of its prefix.
    clips = keys.shape[0]
    rows = clips * (2 if guided else 1)
    hidden, cache = jax.tree.map(lambda leaf: jnp.repeat(leaf, rows // leaf.shape[0], axis=0), (hidden, cache))
    most: dict[Group, int] = {"video": layout.per_picture}
    if config.sound_levels:
        most["sound"] = layout.sound[1]
    return DecodeState(
        line=Line.of(config, layout, slots),
        cache=cache,
        hidden=hidden,
        guesses={group: jnp.full((clips, n, len(config.split(group))), -1, jnp.int32) for group, n in most.items()},
        position=jnp.zeros((), jnp.int32),
        origin=jnp.asarray(origin, jnp.int32),
        keys=keys,
    ).held()
