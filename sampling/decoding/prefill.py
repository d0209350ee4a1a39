"""The prefill of a context window: its prefix is read into a new KV cache."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from reelm.lm.layout import Layout, filled_up
from reelm.lm.net.cache import empty_cache
from reelm.lm.net.config import LMConfig
from reelm.lm.net.rotary import SlotFields
from reelm.lm.prefix import Prefix
from reelm.lm.specials import Group
from reelm.programs.program import program

from .program import settled
from .state import DecodeState, control_of_rows


@dataclass(frozen=True)
class Prefill:
    """The static part of a prefill. Equal ones compile once.

    Attributes:
        config: sizes of the language model.
        layout: of this window.
        slots: of the layout that the `FrameProgram`s are given.
        lookahead: the largest of the `FrameProgram`s.
        guided: whether each clip has a row with the negative prompt, too.
        dtype: number format of activations and of the cache.
    """

    config: LMConfig
    layout: Layout
    slots: int
    lookahead: int
    guided: bool
    dtype: DTypeLike

    @program(static=("self",))
    def start(
        self,
        params: dict,
        prefix: Prefix,
        origin: jax.Array | int,
        keys: jax.Array,
        control: jax.Array | np.ndarray | None,
    ) -> DecodeState:
        """Return the state before the first code of the window.

        Args:
            params: with unrolled layers.
            prefix: a row for each of the B clips that `keys` belong to, or a row for each n clips in order. With
                guidance as many unconditional rows follow.
            origin: position of the first code in the whole endless stream.
            keys: random keys `[B]`, one for each clip.
            control: float32 `[B or 1, h or 1, w or 1, C]`, the control field of the window's first latent frame. Where
                it differs between clips, the prefix has a row for each clip. None for models without control.
        """
        from reelm.lm.net import transformer
        from reelm.lm.net.embed import embed_control

        # A lookahead may reach past the last code: what it writes there is never read, but takes slots.
        slots = filled_up(self.slots + self.lookahead - 1)
        cache = empty_cache(self.config, prefix.words.shape[0], slots, self.dtype)
        clips = keys.shape[0]
        asked = None
        if control is not None:
            first = control_of_rows(control[:, :1, :1], prefix.words.shape[0], self.guided)
            asked = embed_control(self.config, params, first, (1, 1), self.dtype)
        last, cache = transformer.prefill(self.config, params, self.layout, prefix, cache, self.dtype, asked)
        # Samples of one prompt share the reading of its prefix.
        rows = clips * (2 if self.guided else 1)
        last, cache = jax.tree.map(lambda leaf: jnp.repeat(leaf, rows // leaf.shape[0], axis=0), (last, cache))
        most: dict[Group, int] = {"video": self.layout.per_picture}
        if self.config.sound_levels:
            most["sound"] = self.layout.sound[1]
        state = DecodeState(
            slot_fields=SlotFields.of(self.config, self.layout, slots, rows),
            cache=cache,
            last=last,
            guesses={
                group: jnp.full((clips, n, len(self.config.split(group))), -1, jnp.int32) for group, n in most.items()
            },
            position=jnp.zeros(clips, jnp.int32),
            origin=jnp.full(clips, origin, jnp.int32),
            keys=keys,
            control=None if control is None else jnp.broadcast_to(control, (clips, *control.shape[1:])),
        )
        return settled(state)
