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
from .render import Drawn, render
from .scenes import FPS, SPLITS, Split
from .sound import SAMPLE_RATE, sound
from .stage import seen, stage
from .stories import story

SIZE = 128
_FRAMES, _ENDLESS = 33, 10_000_000
_NEAREST = 3.0  # distance that depth shows as white


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
class ToysStoriesSet(ToysSet):
    """The same clips with a picture of each toy, and the next shot."""

    name: ClassVar[str] = "toys_stories"
    summary: ClassVar[str] = "the same clips, with a picture of each toy, and the shot that follows after a cut"

    def open(self, split: str, *, num_frames: int | None = None, num_clips: int | None = None) -> ClipSource:
        """Open the first clips of a split, each of `num_frames` frames, 33 by default; see `DataSet.open`."""
        known: Split = next(known for known in SPLITS if known == split)
        return ToysStories(known, num_frames or _FRAMES, num_clips or _ENDLESS)


@dataclass(frozen=True)
class ToysClips:
    """Clips of one split and length."""

    split: Split
    num_frames: int
    num_clips: int
    name: ClassVar[str] = ToysSet.name

    @property
    def description(self) -> dict[str, Any]:
        return {"dataset": self.name, "split": self.split, "num_frames": self.num_frames}

    @property
    def shapes(self) -> tuple[ShapeRun, ...]:
        return (ShapeRun(self.num_clips, self.num_frames, SIZE, SIZE),)

    def __len__(self) -> int:
        return self.num_clips

    def __getitem__(self, index: int) -> CaptionedClip:
        if not 0 <= index < self.num_clips:
            raise IndexError(f"clip {index} of {self.num_clips}")
        return self._clip(int(index))

    def _clip(self, index: int) -> CaptionedClip:
        return clip_of(scenes.draw(self.split, index), self.num_frames)


@dataclass(frozen=True)
class ToysStories(ToysClips):
    """Clips with references and, where they have more than one frame, the next shot."""

    name: ClassVar[str] = ToysStoriesSet.name

    def _clip(self, index: int) -> CaptionedClip:
        scene = scenes.draw(self.split, index)
        clip, told = clip_of(scene, self.num_frames), story(self.split, index, SIZE // 2)
        clip["references"], clip["reference_captions"] = told.pictures, told.captions
        if self.num_frames > 1:
            after, frame = told.next_shot, SAMPLE_RATE // FPS
            clip["next_shot"] = CaptionedClip(
                # A shot begins with the last frame before its cut.
                video=np.concatenate([clip["video"][-1:], _drawn(after, self.num_frames - 1).picture]),
                captions=_captions(after),
                fps=float(FPS),
                audio=np.concatenate([sound(scene, self.num_frames)[-frame:], sound(after, self.num_frames - 1)]),
                sample_rate=SAMPLE_RATE,
                references=told.pictures,
                reference_captions=told.next_captions,
            )
        return clip


def clip_of(scene: scenes.Scene, num_frames: int) -> CaptionedClip:
    """Return the clip of a scene: its pictures, its sound, and what is known of it."""
    drawn, time = _drawn(scene, num_frames), np.arange(num_frames) / FPS
    return CaptionedClip(
        video=np.asarray(drawn.picture),
        captions=_captions(scene),
        fps=float(FPS),
        audio=sound(scene, num_frames),
        sample_rate=SAMPLE_RATE,
        tracks=seen(scene, time),
        camera=scene.camera.path(time),
        controls={"depth": depth_picture(np.asarray(drawn.depth)), "silhouette": silhouette(np.asarray(drawn.toy))},
    )


def _drawn(scene: scenes.Scene, num_frames: int) -> Drawn:
    return render(stage(scene, np.arange(num_frames) / FPS), SIZE)


def _captions(scene: scenes.Scene) -> tuple[str, ...]:
    return (*captions(scene), *chinese_captions(scene))


def depth_picture(depth: np.ndarray) -> np.ndarray:
    """Return depth [T, H, W] in units as a film uint8 [T, H, W, 3]: white is near, black far away."""
    return _grey(255 * _NEAREST / np.maximum(depth, _NEAREST))


def silhouette(toy: np.ndarray) -> np.ndarray:
    """Return where toys are, [T, H, W] with -1 for none, as a film uint8 [T, H, W, 3], white on black."""
    return _grey(np.where(toy >= 0, 255.0, 0.0))


def _grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(np.round(values).astype(np.uint8)[..., None], 3, axis=-1)
