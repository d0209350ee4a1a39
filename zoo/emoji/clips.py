"""Animated emoji: captioned clips of one emoji that moves over a plain colour, with pairs of emoji and tone held out.

In: pictures and names (`packages.py`). Out: `examples(split, ...)`, the clips of a split in the order of the stored
set. A pair of an emoji and a skin tone may be held out of training, so that composing a known emoji with a known tone
can be measured. Knows nothing of TFDS, of tokens and of models.
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

SECONDS = 3  # nearly all of them come round in so long; a clip ends on the frame it began with
VARIANTS = 6  # clips of each emoji, of which half are on white
PHRASINGS = 4  # captions of each clip


@dataclass(frozen=True, kw_only=True)
class EmojiClip:
    """One clip: video uint8 `[T, H, W, 3]`, and what it shows in which words."""

    video: np.ndarray
    captions: tuple[str, ...]
    emoji: Emoji
    background: str


def num_frames(fps: int) -> int:
    """Frames of a clip: `SECONDS` of them and the first of the next round, 1 + 4k."""
    return SECONDS * fps + 1


def is_held_out(base: str, tone: str) -> bool:
    """Return whether training never shows a pair: one in ten of those with a tone, by the hash of their names."""
    return bool(tone) and int.from_bytes(_name_hash(base, tone)[:8]) % 10 == 0


def of_split(split: Split, emoji: Sequence[Emoji]) -> tuple[Emoji, ...]:
    """Return the emoji of a split, mixed by the hashes of their names.

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

    `which` of the split's emoji, by their place in `of_split`; all of them by default.

    A pure function of its arguments: what is drawn for an emoji depends on its name alone.
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
