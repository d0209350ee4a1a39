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


def seen(video: np.ndarray, camera: np.ndarray, size: int) -> np.ndarray:
    """Return what a camera shows, uint8 `[T, size, size, 3]`, of a larger clip uint8 `[T, H, W, 3]`.

    camera: float `[T, 3]`, as from `moves`. Beyond the edge the edge goes on.
    """
    made = np.empty((len(video), size, size, 3), np.uint8)
    for frame, (x, y, zoom), shown in zip(video.astype(np.float32), camera, made, strict=True):
        rows, columns = (
            view_weights(length, size, pan, zoom) for length, pan in zip(frame.shape[:2], (y, x), strict=True)
        )
        shown[:] = np.round(np.einsum("ah,hwc,bw->abc", rows, frame, columns, optimize=True))
    return made


def view_weights(length: int, size: int, pan: float, zoom: float) -> np.ndarray:
    """Return the weights float `[size, length]` of pixels of an axis in those of a view: means, or interpolation.

    pan: of the middle of the view, as a share of the axis. zoom: as a power of two.
    """
    step = length / (size * 2.0**zoom)
    places = length * (0.5 + pan) + (np.arange(size) + 0.5 - size / 2) * step - 0.5
    reach = max(1.0, step)
    inside = np.clip(places, 0, length - 1)
    weights = np.maximum(0, 1 - np.abs(inside[:, None] - np.arange(length)) / reach)
    return weights / weights.sum(axis=1, keepdims=True)


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
        return {**clip, "video": seen(clip["video"], camera, SIZE), "camera": camera}


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
