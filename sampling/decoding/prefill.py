"""The prefill of a context window: its prefix is made, and read into a new KV cache.

A prefix holds the words of the window's time, given pictures and sound, and the anchor.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from reelm.lm.layout import Layout, filled_up
from reelm.lm.net import transformer
from reelm.lm.net.config import LMConfig
from reelm.lm.net.transformer import CodePositions
from reelm.lm.prefix import Prefix
from reelm.lm.prompts import prompt_prefix
from reelm.lm.specials import Group
from reelm.sampling.parts import ModelParts
from reelm.sampling.request import Request, words_at
from reelm.storage.programs import program

from .state import DecodeState


def window_prefix(
    model: ModelParts, request: Request, first: int, now: int, frames: int, anchor: jax.Array | None
) -> Prefix:
    """Return the prefix of a window of `frames` latent frames that begins with latent frame `first` of the stream.

    Args:
        now: latent frame that is drawn next; its words are read.
        anchor: int32 `[B, h, w]`, the first latent frame of each clip, for a window that continues a stream.

    Returns:
        One row for each prompt, or for each clip when each has an anchor of its own. With guidance as many rows of the
        negative prompt follow.
    """
    lm, settings, given = model.language_model(), request.settings, request.given
    rows, columns = given.known.shape[1:]
    copies = 1 if first == 0 else len(request.seeds)
    past = None if first == 0 else np.asarray(anchor)
    stride = model.video_tokenizer.config.time_stride

    def of(texts: Sequence[str]) -> Prefix:
        words = prompt_prefix(
            lm.config, lm.text, texts, rows=rows, columns=columns, fps=settings.fps, continues=first > 0
        )
        words = jax.tree.map(lambda leaf: np.repeat(leaf, copies, axis=0), words)
        return given.prefix(words, lm.config, start=first, frames=frames, stride=stride, anchor=past)

    conditional = of([words_at(script, now) for script in request.scripts])
    if not settings.guided:
        return conditional
    negative = of([model.read_as(settings.negative_prompt or "")] * len(request.scripts))
    return Prefix.concatenate([conditional, negative.unconditional()])


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

    @program(static=("self",))
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
        slots = filled_up(self.slots + self.window - 1)
        cache = transformer.empty_cache(self.config, prefix.words.shape[0], slots, self.dtype)
        last, cache = transformer.prefill(self.config, params, self.layout, prefix, cache, self.dtype)
        # Samples of one prompt share the reading of its prefix.
        clips = keys.shape[0]
        rows = clips * (2 if self.guided else 1)
        last, cache = jax.tree.map(lambda leaf: jnp.repeat(leaf, rows // leaf.shape[0], axis=0), (last, cache))
        most: dict[Group, int] = {"video": self.layout.per_picture}
        if self.config.sound_levels:
            most["sound"] = self.layout.sound[1]
        return DecodeState(
            code_positions=CodePositions.of(self.config, self.layout, slots, rows),
            cache=cache,
            last=last,
            guesses={
                group: jnp.full((clips, n, len(self.config.split(group))), -1, jnp.int32) for group, n in most.items()
            },
            position=jnp.zeros(clips, jnp.int32),
            origin=jnp.full(clips, origin, jnp.int32),
            keys=keys,
        ).constrained()
