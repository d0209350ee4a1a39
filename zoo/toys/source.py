"""Toys as a data set: clips that are drawn when they are read, with everything that is known of them.

In: a split, an index, a number of frames. Out: a `CaptionedClip`. Nothing is stored: a clip takes a fraction of a
second of one core, and a seed names it for ever.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from reelm.data.clips import CaptionedClip, ClipSource, ShapeRun
from reelm.errors import RequestError
from reelm.progress import Progress, silent

from . import scenes
from .captions import captions, chinese_captions
from .render import render
from .scenes import FPS, SPLITS, Split
from .sound import SAMPLE_RATE, sound
from .stage import seen, stage

SIZE = 128
_FRAMES, _ENDLESS = 33, 10_000_000


@dataclass(frozen=True)
class ToysSet:
    """Toys on a floor, with sound, captions in English and Chinese, tracks and the camera's path."""

    name: ClassVar[str] = "toys"
    summary: ClassVar[str] = "small lit worlds of toys: 128x128, 8 fps, sound at 16 kHz, any length, tracks and camera"
    splits: ClassVar[tuple[str, ...]] = SPLITS
    held_back: ClassVar[str] = "test"
    drawn: ClassVar[bool] = True

    data_dir: Path | None = None
    config: str | None = None

    def open(self, split: str, *, num_frames: int | None = None, num_clips: int | None = None) -> ClipSource:
        """Open the first clips of a split, each of `num_frames` frames, 33 by default; see `DataSet.open`."""
        known: Split = next(known for known in SPLITS if known == split)
        return ToysClips(known, num_frames or _FRAMES, num_clips or _ENDLESS)

    def build(self, *, packages: Path | None = None, progress: Progress = silent) -> Path:
        """Refuse: there is nothing to build."""
        raise RequestError(f"{self.name} is drawn on demand; there is nothing to build")


@dataclass(frozen=True)
class ToysClips:
    """Clips of one split and length."""

    split: Split
    num_frames: int
    num_clips: int

    @property
    def description(self) -> dict[str, Any]:
        return {"dataset": ToysSet.name, "split": self.split, "num_frames": self.num_frames}

    @property
    def shapes(self) -> tuple[ShapeRun, ...]:
        return (ShapeRun(self.num_clips, self.num_frames, SIZE, SIZE),)

    def __len__(self) -> int:
        return self.num_clips

    def __getitem__(self, index: int) -> CaptionedClip:
        if not 0 <= index < self.num_clips:
            raise IndexError(f"clip {index} of {self.num_clips}")
        return clip_of(scenes.draw(self.split, int(index)), self.num_frames)


def clip_of(scene: scenes.Scene, num_frames: int) -> CaptionedClip:
    """Return the clip of a scene: its pictures, its sound, and what is known of it."""
    time = np.arange(num_frames) / FPS
    return CaptionedClip(
        video=np.asarray(render(stage(scene, time), SIZE).picture),
        captions=(*captions(scene), *chinese_captions(scene)),
        fps=float(FPS),
        audio=sound(scene, num_frames),
        sample_rate=SAMPLE_RATE,
        tracks=seen(scene, time),
        camera=scene.camera.path(time),
    )
