"""The plan of a stream's context windows. Planning makes it, decoding reads it.

A stream is the latent frames of B clips: P prompts with B / P seeds each, prompt by prompt. Its shots follow one
another. Each shot opens a window, and another window opens when one is full.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.typing import DTypeLike

from reelm.lm.layout import Layout, filled_up
from reelm.lm.net.config import LMConfig
from reelm.lm.prefix import Prefix
from reelm.lm.specials import CONTINUES, CUT, CUT_FROM, Group
from reelm.sampling.conditions.conditions import Conditions
from reelm.tokenizer.codes import to_host

from .choose import SamplingParams


@dataclass(frozen=True, eq=False)
class ShotPlan:
    """The plan of one shot's windows: what differs between the shots of a stream.

    Attributes:
        begins: latent frame of the stream that the shot begins with.
        words: prefixes of the P prompts, a row for each, as for the stream's first latent frame.
        conditions: of the shot.
        cut: whether it begins with a cut. Then its windows see only the stream's first latent frame of what came
            before.
        field: float32 `[t, h or 1, w or 1, C]`, the control field of the clip's first latent frames; the last one
            repeats. None for models without control.
    """

    begins: int
    words: Prefix
    conditions: Conditions
    cut: bool = False
    field: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class StreamPlan:
    """Everything that decides the latent frames of a stream, except the nets (`windows.Drawer`).

    Attributes:
        config: sizes of the language model.
        shots: in order, the first from latent frame 0.
        negative: prefixes of the negative prompt, in as many rows as the words of a shot; None without guidance.
        seeds: `[B]`, of each clip.
        sampling: parameters of each clip's draws.
        frames: latent frames of a window.
        overlap: latent frames of the window before that a window reads again.
        lookahead: codes of each group to read in one forward pass.
        length: latent frames in all; None for an endless stream.
        dtype: number format of activations and of the KV cache.
        anchored: whether a window that continues the stream shows its first latent frame.
        opening: plan of the first latent frame, if another language model draws it; else None.
    """

    config: LMConfig
    shots: Sequence[ShotPlan]
    negative: Prefix | None
    seeds: Sequence[int]
    sampling: SamplingParams
    frames: int
    overlap: int
    lookahead: Mapping[Group, int]
    length: int | None
    dtype: DTypeLike
    anchored: bool = True
    opening: "StreamPlan | None" = None

    @property
    def guided(self) -> bool:
        """Whether guidance changes any latent frame."""
        return self.negative is not None

    @property
    def cache_rows(self) -> int:
        """The rows of the KV cache: with guidance two for each clip."""
        return len(self.seeds) * (2 if self.guided else 1)

    @property
    def later(self) -> Layout:
        """The layout of a window that continues the stream. Every window has at least its slots."""
        return self.layout(self.shots[0].conditions, pictures=int(self.anchored), first=1)

    @property
    def slots(self) -> int:
        """The slots of each row of the KV cache, for a window with no given picture except an anchor."""
        return filled_up(self.later.slots + max(self.lookahead.values()) - 1)

    def shot_at(self, now: int) -> ShotPlan:
        """Return the shot that latent frame `now` belongs to."""
        return [shot for shot in self.shots if shot.begins <= now][-1]

    def cut_before(self, now: int) -> int:
        """Return the latent frame of the last cut up to latent frame `now`; 0 if there was none."""
        return max((shot.begins for shot in self.shots if shot.cut and shot.begins <= now), default=0)

    def prefix(self, shot: ShotPlan, first: int, anchor: jax.Array | None, *, each: bool = False) -> Prefix:
        """Return the prefix of a window that begins with latent frame `first` of the stream.

        It has a row for each prompt, or for each clip if each has an anchor of its own. With guidance as many rows of
        the negative prompt follow.

        Args:
            shot: of the window.
            first: latent frame that the window begins with.
            anchor: ids `[B, h, w]` on the device, the first latent frame of each clip; not read if `first` is 0.
            each: whether it always has a row for each clip.
        """
        past = to_host(anchor, self.config.bits) if anchor is not None and first and self.anchored else None
        cut = self.cut_before(first)
        how, anchor_time = CUT if cut and first == cut else CONTINUES, CUT_FROM if cut else -1.0
        conditions = shot.conditions.named_in(shot.words, self.config)

        def of(words: Prefix) -> Prefix:
            words = words if past is None else words.continuing(how)
            if past is not None or each:
                copies = len(self.seeds) // words.words.shape[0]
                words = jax.tree.map(lambda leaf: np.repeat(leaf, copies, axis=0), words)
            size: dict[str, Any] = {"start": first, "frames": self.frames}
            return conditions.prefix(words, self.config, **size, anchor=past, anchor_time=anchor_time)

        if self.negative is None:
            return of(shot.words)
        return Prefix.concatenate([of(shot.words), of(self.negative).unconditional()])

    def layout(self, conditions: Conditions, *, first: int, pictures: int, references: int = 0) -> Layout:
        """Return the layout of a window from latent frame `first` on; `pictures` and `references` are their numbers."""
        return self.config.layout(
            self.frames,
            *conditions.known.shape[1:],
            given_pictures=pictures,
            references=references,
            at_start=first == 0,
            sound_in_prefix=conditions.sound_in_prefix,
        )
