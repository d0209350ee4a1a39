"""Sets that show the clips of the emoji otherwise: the same words, and what is altered is known exactly.

Comes in: the set of emoji. Goes out: its clips, each altered by draws of its own, a pure function of its number.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from reelm.data.clips import CaptionedClip, ClipSource, ShapeRun
from reelm.errors import RequestError
from reelm.progress import Progress, silent

from .clips import SPLITS
from .source import AnimatedEmojiSet


@dataclass(frozen=True)
class AlteredSet(ABC):
    """A set of altered emoji. data_dir: folder of built sets. config: there is but one."""

    name: ClassVar[str]
    summary: ClassVar[str]
    art: ClassVar[str]
    """Configuration of the emoji that are altered."""
    side: ClassVar[int]
    """Pixels of a side of the altered clips."""
    seed: ClassVar[int]
    splits = SPLITS
    held_back = "held_out"
    drawn = False

    data_dir: Path | None = None
    config: str | None = None

    @staticmethod
    @abstractmethod
    def alter(clip: CaptionedClip, rng: np.random.Generator) -> CaptionedClip:
        """Return a clip as this set shows it."""

    def open(self, split: str, *, num_frames: int | None = None, num_clips: int | None = None) -> ClipSource:
        """Open the first clips of a split; see `DataSet.open`."""
        return _AlteredClips(self._art.open(split, num_frames=num_frames, num_clips=num_clips), split, self)

    def build(self, *, packages: Path | None = None, progress: Progress = silent) -> Path:
        """Build the emoji that are altered; see `BuildableSet.build`."""
        return self._art.build(packages=packages, progress=progress)

    @property
    def _art(self) -> AnimatedEmojiSet:
        if self.config is not None:
            raise RequestError(f"{self.name} has no configurations; leave {self.config!r} out")
        return AnimatedEmojiSet(self.data_dir, self.art)


@dataclass(frozen=True, eq=False)
class _AlteredClips:
    """The clips of a split of a set."""

    clips: ClipSource
    split: str
    of: AlteredSet

    @property
    def description(self) -> dict[str, Any]:
        return {**self.clips.description, "dataset": self.of.name}

    @property
    def shapes(self) -> tuple[ShapeRun, ...]:
        side = self.of.side
        return tuple(ShapeRun(run.clips, run.frames, side, side) for run in self.clips.shapes)

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> CaptionedClip:
        rng = np.random.default_rng([self.of.seed, SPLITS.index(self.split), index])
        return self.of.alter(self.clips[index], rng)
