"""Toys as a data set: clips that are drawn when they are read, with everything that is known of them.

In: a split, an index, a number of frames. Out: a `CaptionedClip`. A clip takes a fraction of a second of one core, and
a seed names it for ever, so training draws what it reads; `reelm data build toys --clips N` stores clips for others.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from reelm.data.clips import CaptionedClip, ClipSource, ShapeRun
from reelm.data.stored_set import Array, Record, StoredClips, StoredSet, long_enough
from reelm.errors import RequestError
from reelm.progress import Progress, silent
from reelm.storage.home import datasets_folder

from . import scenes
from .captions import captions, chinese_captions
from .render import Drawn, render
from .scenes import FPS, SPLITS, Split
from .sound import SAMPLE_RATE, sound
from .stage import seen, stage
from .stories import story

SIZE = 128
_FRAMES, _ENDLESS = 33, 10_000_000
_SHARD = 100  # clips
_PIECES = 8  # of a clip
_FIELDS = {
    "video": Array((None, SIZE, SIZE, 3), np.uint8),
    "captions": tuple[str, ...],
    "fps": np.float32,
    "audio": Array((None, 1), np.float32),
    "sample_rate": np.int32,
    "tracks": Array((None, None, 2), np.float32),
    "camera": Array((None, 3), np.float32),
    "depth": Array((None, SIZE, SIZE, 3), np.uint8),
    "silhouette": Array((None, SIZE, SIZE, 3), np.uint8),
}
_ABOUT = """
Small lit worlds of toys with physics, sound and a camera, drawn by a program. Tracks are where the centre of each toy
is, as shares of width and height; the camera is orbit in degrees, log2 of the zoom, and rise. Splits: "train", "test",
and "held_out", whose combinations of colour, material, shape and motion "train" and "test" never show.
"""
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
    clips: int = 1_000  # to store of "train"; of the other splits a tenth

    def open(self, split: str, *, num_frames: int | None = None, num_clips: int | None = None) -> ClipSource:
        """Open the first clips of a split, each of `num_frames` frames, 33 by default; see `DataSet.open`.

        They are drawn, or read where `data_dir` or `config` names a set that was built.
        """
        known: Split = next(known for known in SPLITS if known == split)
        if self.data_dir is None and self.config is None:
            return ToysClips(known, num_frames or _FRAMES, num_clips or _ENDLESS)
        stored = self._stored(self.config or str(self.clips))
        if not stored.is_written:
            raise RequestError(
                f"no {ToysSet.name}/{stored.config} in {stored.data_dir}; build it there first (reelm data build)"
            )
        records = stored.records(split)
        runs = [ShapeRun(len(records), _FRAMES, SIZE, SIZE)]
        shapes, firsts = long_enough(f"{ToysSet.name}/{stored.config}", split, runs, num_frames, num_clips)
        about = {"dataset": ToysSet.name, "split": split, "stored": stored.config}
        return StoredClips(about, shapes, firsts, records, _read)

    def build(self, *, packages: Path | None = None, progress: Progress = silent) -> Path:
        """Write `clips` clips of 33 frames, and a tenth of that of each other split; see `BuildableSet.build`."""
        if packages is not None:
            raise RequestError(f"{self.name} is made of no packages; leave them out")
        if self.clips < 1:
            raise RequestError(f"clips is {self.clips}; it must be at least 1")
        counts: dict[Split, int] = {split: self.clips if split == "train" else -(-self.clips // 10) for split in SPLITS}
        shards = {
            split: [partial(_records, split, first, min(first + _SHARD, count)) for first in range(0, count, _SHARD)]
            for split, count in counts.items()
        }
        return self._stored(str(self.clips)).write(shards, progress)

    def _stored(self, config: str) -> StoredSet:
        return StoredSet(
            name=ToysSet.name,
            data_dir=self.data_dir or datasets_folder(),
            version="1.0.0",
            config=config,
            fields=_FIELDS,
            about=_ABOUT,
        )


def _records(split: Split, first: int, stop: int) -> Iterator[dict[str, Any]]:
    for index in range(first, stop):
        clip = dict(clip_of(scenes.draw(split, index), _FRAMES))
        yield clip | dict(clip.pop("controls"))  # type: ignore[arg-type]


def _read(record: Record, frames: int) -> CaptionedClip:
    """Return the first frames of a stored clip, as `clip_of` makes it."""
    return CaptionedClip(
        video=record["video"][:frames],
        captions=tuple(caption.decode() for caption in record["captions"]),
        fps=float(record["fps"]),
        audio=record["audio"][: frames * SAMPLE_RATE // FPS],
        sample_rate=int(record["sample_rate"]),
        tracks=record["tracks"][:, :frames],
        camera=record["camera"][:frames],
        controls={name: record[name][:frames] for name in ("depth", "silhouette")},
    )


@dataclass(frozen=True)
class ToysStoriesSet(ToysSet):
    """The same clips with a picture of each toy, and the next shot."""

    name: ClassVar[str] = "toys_stories"
    summary: ClassVar[str] = "the same clips, with a picture of each toy, and the shot that follows after a cut"

    def open(self, split: str, *, num_frames: int | None = None, num_clips: int | None = None) -> ClipSource:
        """Open the first clips of a split, each of `num_frames` frames, 33 by default; see `DataSet.open`."""
        known: Split = next(known for known in SPLITS if known == split)
        return ToysStories(known, num_frames or _FRAMES, num_clips or _ENDLESS)

    def build(self, *, packages: Path | None = None, progress: Progress = silent) -> Path:
        """Refuse: stories are drawn on demand."""
        raise RequestError(f"{self.name} is drawn on demand; there is nothing to build")


@dataclass(frozen=True)
class ToysCloseSet(ToysSet):
    """Pieces of the same clips, most of them where toys are: what is hard to draw fills them."""

    name: ClassVar[str] = "toys_close"
    summary: ClassVar[str] = "pieces of the same clips, 64x64, most of them where toys are"

    def open(self, split: str, *, num_frames: int | None = None, num_clips: int | None = None) -> ClipSource:
        """Open pieces of the first clips of a split, eight of each, of `num_frames` frames; see `DataSet.open`."""
        return ToysPieces(super().open(split, num_frames=num_frames, num_clips=num_clips))

    def build(self, *, packages: Path | None = None, progress: Progress = silent) -> Path:
        """Refuse: pieces are cut on demand."""
        raise RequestError(f"{self.name} is cut on demand from {ToysSet.name}; build that")


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


@dataclass(frozen=True)
class ToysPieces:
    """Pieces of clips: eight of each, four in five of them around a pixel of a toy."""

    clips: ClipSource
    side: int = SIZE // 2
    name: ClassVar[str] = ToysCloseSet.name

    @property
    def description(self) -> dict[str, Any]:
        return self.clips.description | {"dataset": self.name}

    @property
    def shapes(self) -> tuple[ShapeRun, ...]:
        return tuple(ShapeRun(_PIECES * run.clips, run.frames, self.side, self.side) for run in self.clips.shapes)

    def __len__(self) -> int:
        return _PIECES * len(self.clips)

    def __getitem__(self, index: int) -> CaptionedClip:
        clip, rng = self.clips[index // _PIECES], np.random.default_rng([index, 5])
        toys = clip.get("controls", {})["silhouette"][..., 0]
        places = np.argwhere(toys) if rng.random() < 0.8 else np.zeros((0, 3), int)
        most = SIZE - self.side
        row, column = rng.integers(most + 1, size=2)
        if len(places):
            middle = places[rng.integers(len(places))][1:] - rng.integers(8, self.side - 8, 2)
            row, column = np.clip(middle, 0, most).astype(int)
        video = clip["video"][:, row : row + self.side, column : column + self.side]
        return CaptionedClip(video=video, captions=clip["captions"], fps=clip["fps"])


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
