"""Animated emoji at another pace: the same clips, of which some stand still, some are slow and some hurry.

Comes in: the set of emoji. Goes out: clips of the same words, whose art plays at a pace of their own, so that how much
moves does not tell which emoji it is. The words say nothing of the pace. It is a pure function of the clip's number.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reelm.data.clips import CaptionedClip, ClipSource, ShapeRun
from reelm.errors import RequestError
from reelm.progress import Progress, silent

from .emoji import SPLITS
from .source import AnimatedEmojiSet

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


@dataclass(frozen=True, eq=False)
class _Paced:
    """The clips of a split, each at its pace."""

    clips: ClipSource
    split: str

    @property
    def description(self) -> dict[str, Any]:
        return {**self.clips.description, "dataset": EmojiPaceSet.name}

    @property
    def shapes(self) -> tuple[ShapeRun, ...]:
        return self.clips.shapes

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> CaptionedClip:
        clip = self.clips[index]
        rng = np.random.default_rng([7, SPLITS.index(self.split), index])
        return {**clip, "video": clip["video"][moments(rng, len(clip["video"]))]}


@dataclass(frozen=True)
class EmojiPaceSet:
    """Animated emoji at another pace. data_dir: folder of built sets. config: there is but one."""

    name = "animated_emoji_pace"
    summary = "the emoji, still, slow or fast: 128x128, 8 fps, 3 s, from animated_emoji/128px_8fps"
    splits = SPLITS
    held_back = "held_out"
    drawn = False

    data_dir: Path | None = None
    config: str | None = None

    def open(self, split: str, *, num_frames: int | None = None, num_clips: int | None = None) -> ClipSource:
        """Open the first clips of a split; see `DataSet.open`."""
        return _Paced(self._art.open(split, num_frames=num_frames, num_clips=num_clips), split)

    def build(self, *, packages: Path | None = None, progress: Progress = silent) -> Path:
        """Build the emoji; see `BuildableSet.build`."""
        return self._art.build(packages=packages, progress=progress)

    @property
    def _art(self) -> AnimatedEmojiSet:
        if self.config is not None:
            raise RequestError(f"{self.name} has no configurations; leave {self.config!r} out")
        return AnimatedEmojiSet(self.data_dir)
