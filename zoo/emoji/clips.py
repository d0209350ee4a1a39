"""Clips of animated emoji over a plain colour, with captions; some pairs of emoji and tone are held out.

In: pictures and names (`packages.py`). Out: `examples(split, ...)`, the clips of a split in the order of the stored
set. Some pairs of an emoji and a skin tone are held out of training, to measure whether a model composes a known emoji
with a known tone. This module knows nothing of TFDS, tokens and models.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .captions import BACKGROUNDS, distinct_words, plain, varied
from .packages import Emoji
from .sprites import frames, on

Split = Literal["train", "held_out", "still"]
SPLITS: tuple[Split, ...] = ("train", "held_out", "still")

SECONDS = 3  # the loop of nearly all emoji; a clip ends on its first frame
VARIANTS = 6  # clips of each emoji, half of them on white
PHRASINGS = 4  # captions of each clip


@dataclass(frozen=True, kw_only=True)
class EmojiClip:
    """One clip: video uint8 `[T, H, W, 3]`, its emoji, background and captions."""

    video: np.ndarray
    captions: tuple[str, ...]
    emoji: Emoji
    background: str


def num_frames(fps: int) -> int:
    """Return the frames of a clip: `SECONDS`, and the first frame of the next loop, 1 + 4k."""
    return SECONDS * fps + 1


def is_held_out(base: str, tone: str) -> bool:
    """Return whether a pair is held out of training: one in ten of those with a tone, by the hash of their names."""
    return bool(tone) and int.from_bytes(_name_hash(base, tone)[:8]) % 10 == 0


def of_split(split: Split, emoji: Sequence[Emoji]) -> tuple[Emoji, ...]:
    """Return the emoji of a split, shuffled by the hashes of their names.

    "still" are those that do not move; "held_out" the animated ones of pairs that "train" never shows.
    """
    if split == "still":
        chosen = [each for each in emoji if not each.animated]
    else:
        chosen = [
            each for each in emoji if each.animated and is_held_out(each.base, each.tone) == (split == "held_out")
        ]
    return tuple(sorted(chosen, key=lambda each: _name_hash(each.base, each.tone)))


def examples(
    split: Split, emoji: Sequence[Emoji], which: slice = slice(None), *, size: int, fps: int
) -> Iterator[EmojiClip]:
    """Yield the clips of a split, `VARIANTS` of each emoji. The first is on white, and its first caption is plain.

    `which`: slice of the split's emoji in the order of `of_split`; all of them by default.

    It is a pure function of its arguments: random choices for an emoji depend only on its name.
    """
    words = distinct_words(emoji)
    count = 1 if split == "still" else num_frames(fps)
    for each in of_split(split, emoji)[which]:
        sprite = frames(each.webp, size=size, fps=fps, count=count)
        rng = np.random.default_rng(list(f"{each.base} {each.tone}".encode()))
        colours = rng.permutation([name for name in BACKGROUNDS if name != "white"]).tolist()
        for variant in range(VARIANTS):
            background = colours[variant] if variant % 2 else "white"
            captions = [varied(each, background, words[each.base], rng) for _ in range(PHRASINGS)]
            if variant == 0:
                captions[0] = plain(each)
            video = on(BACKGROUNDS[background], sprite)
            yield EmojiClip(video=video, captions=tuple(captions), emoji=each, background=background)


def _name_hash(base: str, tone: str) -> bytes:
    return hashlib.sha256(f"{base} {tone}".encode()).digest()
