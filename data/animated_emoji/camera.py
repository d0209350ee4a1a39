"""Animated emoji seen by a camera that moves: the same clips, of which a view is shown that pans and zooms.

Comes in: the set at twice the size. Goes out: clips with their camera, known exactly; what lies beyond the art is its
plain background. The words say nothing of the camera. A move is a pure function of the clip's number.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reelm.data.clips import CaptionedClip, ClipSource, ShapeRun
from reelm.errors import RequestError
from reelm.media.view import seen
from reelm.progress import Progress, silent

from .emoji import SPLITS
from .source import AnimatedEmojiSet

SIZE = 128
_CONFIG = "256px_8fps"
_STILL = 0.4  # share of cameras that stand still: who asks for no move wants none
_FARTHEST = 0.35  # pan at the end, as a share of the view
_DEEPEST = 0.9  # zoom at the end, as a power of two


def moves(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Return the camera of a clip, float32 `[T, 3]`: pan x, pan y and log2 of zoom, from the first view on.

    It pans, zooms, or does both, evenly or ever slower.
    """
    pans, zooms = ((True, False), (False, True), (True, True))[int(rng.integers(3))]
    still = rng.random() < _STILL
    end = np.array([*rng.uniform(-_FARTHEST, _FARTHEST, 2) * pans, rng.uniform(-_DEEPEST, _DEEPEST) * zooms])
    along = np.linspace(0, 1, frames) ** (1 if rng.random() < 0.7 else 0.5)
    return (end * (not still) * along[:, None]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class _Seen:
    """The clips of a split, each by its camera."""

    clips: ClipSource
    split: str

    @property
    def description(self) -> dict[str, Any]:
        return {**self.clips.description, "dataset": EmojiCameraSet.name}

    @property
    def shapes(self) -> tuple[ShapeRun, ...]:
        return tuple(ShapeRun(run.clips, run.frames, SIZE, SIZE) for run in self.clips.shapes)

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> CaptionedClip:
        clip = self.clips[index]
        camera = moves(np.random.default_rng([5, SPLITS.index(self.split), index]), len(clip["video"]))  # type: ignore[arg-type]
        video, unmoved = (seen(clip["video"], path, (SIZE, SIZE)) for path in (camera, np.zeros_like(camera)))
        return {**clip, "video": video, "unmoved": unmoved, "camera": camera}


@dataclass(frozen=True)
class EmojiCameraSet:
    """Animated emoji by moving cameras. data_dir: folder of built sets. config: there is but one."""

    name = "animated_emoji_camera"
    summary = "the emoji by a camera that pans and zooms: 128x128, 8 fps, 3 s, from animated_emoji/256px_8fps"
    splits = SPLITS
    held_back = "held_out"
    drawn = False

    data_dir: Path | None = None
    config: str | None = None

    def open(self, split: str, *, num_frames: int | None = None, num_clips: int | None = None) -> ClipSource:
        """Open the first clips of a split; see `DataSet.open`."""
        return _Seen(self._art.open(split, num_frames=num_frames, num_clips=num_clips), split)

    def build(self, *, packages: Path | None = None, progress: Progress = silent) -> Path:
        """Build the emoji at twice the size; see `BuildableSet.build`."""
        return self._art.build(packages=packages, progress=progress)

    @property
    def _art(self) -> AnimatedEmojiSet:
        if self.config is not None:
            raise RequestError(f"{self.name} has no configurations; leave {self.config!r} out")
        return AnimatedEmojiSet(self.data_dir, _CONFIG)
