"""Animated emoji at another pace: the same clips, of which some stand still, some are slow and some hurry.

Comes in: the set of emoji. Goes out: clips of the same words, whose art plays at a pace of their own, so that how much
moves does not tell which emoji it is. The words say nothing of the pace.
"""

import numpy as np

from reelm.data.clips import CaptionedClip

from .altered import AlteredSet

_STILL = 0.15  # share of clips that stand still
_SLOWEST, _FASTEST = 0.2, 3.0


def moments(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Return which frame of the art each frame of a clip shows, int64 `[T]`; the first shows the first.

    Art that comes to its end goes back the way it came, as its loop may be longer than the clip.
    """
    pace = 0.0 if rng.random() < _STILL else np.exp(rng.uniform(np.log(_SLOWEST), np.log(_FASTEST)))
    last = frames - 1
    steps = np.floor(pace * np.arange(frames)).astype(np.int64)
    return last - abs(steps % (2 * last) - last) if last else steps


class EmojiPaceSet(AlteredSet):
    """Animated emoji at another pace."""

    name = "animated_emoji_pace"
    summary = "the emoji, still, slow or fast: 128x128, 8 fps, 3 s, from animated_emoji/128px_8fps"
    art = "128px_8fps"
    side = 128
    seed = 7

    @staticmethod
    def alter(clip: CaptionedClip, rng: np.random.Generator) -> CaptionedClip:
        """Return a clip at a pace of its own."""
        return {**clip, "video": clip["video"][moments(rng, len(clip["video"]))]}
