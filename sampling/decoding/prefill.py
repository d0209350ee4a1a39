"""Prefill: prefixes are read into a new KV cache, once for each context window."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from reelm.lm.layout import Layout
from reelm.lm.net import transformer
from reelm.lm.net.config import LMConfig
from reelm.lm.net.transformer import CodePositions
from reelm.lm.prefix import Prefix
from reelm.lm.specials import Group

from .state import DecodeState


@dataclass(frozen=True)
class Prefill:
    """The static part of a prefill. Equal ones compile once.

    Attributes:
        config: sizes of the language model.
        layout: of this very window.
        slots: of the layout that the `FrameProgram`s are given.
        window: the widest of the `FrameProgram`s.
        guided: whether each clip has a row with the negative prompt, too.
        dtype: number format of activations and of the cache.
    """

    config: LMConfig
    layout: Layout
    slots: int
    window: int
    guided: bool
    dtype: DTypeLike

    @partial(jax.jit, static_argnames="self")
    def start(self, params: dict, prefix: Prefix, origin: jax.Array | int, keys: jax.Array) -> DecodeState:
        """Return the state before the first code of the window.

        Args:
            params: with unrolled layers.
            prefix: a row for each of the B clips that `keys` belong to, or one for each B / n clips that stand
                together. With guidance as many rows follow.
            origin: position of the first code in the whole endless stream.
            keys: random keys `[B]`, one a clip.
        """
        # A window may reach past the last code: what it writes there is never read, but takes slots.
        slots = self.slots + self.window - 1
        cache = transformer.empty_cache(self.config, prefix.words.shape[0], slots, self.dtype)
        hidden, cache = transformer.prefill(self.config, params, self.layout, prefix, cache, self.dtype)
        # Samples of one prompt share the reading of its prefix.
        clips = keys.shape[0]
        rows = clips * (2 if self.guided else 1)
        hidden, cache = jax.tree.map(lambda leaf: jnp.repeat(leaf, rows // leaf.shape[0], axis=0), (hidden, cache))
        most: dict[Group, int] = {"video": self.layout.per_picture}
        if self.config.sound_levels:
            most["sound"] = self.layout.sound[1]
        return DecodeState(
            code_positions=CodePositions.of(self.config, self.layout, slots),
            cache=cache,
            hidden=hidden,
            guesses={
                group: jnp.full((clips, n, len(self.config.split(group))), -1, jnp.int32) for group, n in most.items()
            },
            position=jnp.zeros((), jnp.int32),
            origin=jnp.asarray(origin, jnp.int32),
            keys=keys,
        ).constrained()
