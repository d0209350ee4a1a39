"""Toys as a data set: clips that are rendered when they are read, with their ground truth.

In: a split, an index, a number of frames. Out: a `CaptionedClip`. Rendering takes a fraction of a second on one core,
and an index always gives the same clip, so training renders what it reads. `reelm data build toys --clips N` stores
clips.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
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
_PIECES = 8  # pieces of a clip
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
    _fields: ClassVar[Mapping[str, Any]] = {
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

    data_dir: Path | None = None
    config: str | None = None
    clips: int = 1_000  # stored clips of "train"; the other splits have a tenth

    def open(self, split: str, *, num_frames: int | None = None, num_clips: int | None = None) -> ClipSource:
        """Open the first clips of a split, each of `num_frames` frames, 33 by default; see `DataSet.open`.

        They are rendered, or read from a built set if `data_dir` or `config` names one.
        """
        known: Split = next(known for known in SPLITS if known == split)
        if self.data_dir is None and self.config is None:
            return self._drawn(known, num_frames or _FRAMES, num_clips or _ENDLESS)
        stored = self._stored(self.config or str(self.clips))
        where = f"{self.name}/{stored.config}"
        if not stored.is_written:
            raise RequestError(f"no {where} in {stored.data_dir}; build it there first (reelm data build)")
        records = stored.records(split)
        runs = [self._drawn(known, _FRAMES, 1).shapes[0]._replace(clips=len(records))]
        shapes, firsts = long_enough(where, split, runs, num_frames, num_clips)
        about = {"dataset": self.name, "split": split, "stored": stored.config}
        return StoredClips(about, shapes, firsts, records, _read)

    def build(self, *, packages: Path | None = None, progress: Progress = silent) -> Path:
        """Write `clips` clips of 33 frames, and a tenth of that of each other split; see `BuildableSet.build`."""
        if packages is not None:
            raise RequestError(f"{self.name} needs no packages; leave them out")
        if self.clips < 1:
            raise RequestError(f"clips is {self.clips}; it must be at least 1")
        counts: dict[Split, int] = {split: self.clips if split == "train" else -(-self.clips // 10) for split in SPLITS}
        sources = {split: self._drawn(split, _FRAMES, count) for split, count in counts.items()}
        shards = {
            split: [
                partial(_records, source, first, min(first + _SHARD, len(source)))
                for first in range(0, len(source), _SHARD)
            ]
            for split, source in sources.items()
        }
        return self._stored(str(self.clips)).write(shards, progress)

    def _drawn(self, split: Split, num_frames: int, num_clips: int) -> ClipSource:
        """Return clips that are rendered when they are read."""
        return ToysClips(split, num_frames, num_clips)

    def _stored(self, config: str) -> StoredSet:
        return StoredSet(
            name=self.name,
            data_dir=self.data_dir or datasets_folder(),
            version="1.0.0",
            config=config,
            fields=self._fields,
            about=_ABOUT,
        )


def _records(clips: ClipSource, first: int, stop: int) -> Iterator[dict[str, Any]]:
    for index in range(first, stop):
        clip = dict(clips[index])
        yield clip | dict(clip.pop("controls", {}))  # type: ignore[arg-type]


def _read(record: Record, frames: int) -> CaptionedClip:
    """Return the first frames of a stored clip or piece."""
    clip = CaptionedClip(
        video=record["video"][:frames],
        captions=tuple(caption.decode() for caption in record["captions"]),
        fps=float(record["fps"]),
    )
    if "audio" in record:
        clip["audio"] = record["audio"][: frames * SAMPLE_RATE // FPS]
        clip["sample_rate"] = int(record["sample_rate"])
        clip["tracks"], clip["camera"] = record["tracks"][:, :frames], record["camera"][:frames]
        clip["controls"] = {name: record[name][:frames] for name in ("depth", "silhouette")}
    return clip


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
        """Raise RequestError: stories are rendered on demand."""
        raise RequestError(f"{self.name} is drawn on demand; there is nothing to build")


@dataclass(frozen=True)
class ToysCloseSet(ToysSet):
    """Pieces of the same clips, eight of each, most of them at toys, so that difficult details fill them."""

    name: ClassVar[str] = "toys_close"
    summary: ClassVar[str] = "pieces of the same clips, 64x64, most of them where toys are, for tokenizers"
    _fields: ClassVar[Mapping[str, Any]] = {
        "video": Array((None, SIZE // 2, SIZE // 2, 3), np.uint8),
        "captions": tuple[str, ...],
        "fps": np.float32,
    }

    def _drawn(self, split: Split, num_frames: int, num_clips: int) -> ClipSource:
        return ToysPieces(split, num_frames, num_clips)


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
        if not 0 <= index < len(self):
            raise IndexError(f"clip {index} of {len(self)}")
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
                # A shot starts with the last frame before its cut.
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
class ToysPieces(ToysClips):
    """Pieces of clips: eight of each, four in five of them around a pixel of a toy."""

    name: ClassVar[str] = ToysCloseSet.name

    @property
    def shapes(self) -> tuple[ShapeRun, ...]:
        return (ShapeRun(len(self), self.num_frames, SIZE // 2, SIZE // 2),)

    def __len__(self) -> int:
        return _PIECES * self.num_clips

    def _clip(self, index: int) -> CaptionedClip:
        picture, toy, words = _of_pieces(self.split, index // _PIECES, self.num_frames)
        rng, side = np.random.default_rng([index, 5]), SIZE // 2
        places = np.argwhere(toy >= 0) if rng.random() < 0.8 else np.zeros((0, 3), int)
        row, column = rng.integers(SIZE - side + 1, size=2)
        if len(places):
            corner = places[rng.integers(len(places))][1:] - rng.integers(8, side - 8, 2)
            row, column = np.clip(corner, 0, SIZE - side)
        video = picture[:, row : row + side, column : column + side]
        return CaptionedClip(video=video, captions=words, fps=float(FPS))


@lru_cache(1)
def _of_pieces(split: Split, index: int, frames: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return pictures, toys and captions of a clip; cached, because its pieces are read one after another."""
    scene = scenes.draw(split, index)
    drawn = _drawn(scene, frames)
    return np.asarray(drawn.picture), np.asarray(drawn.toy), _captions(scene)


def clip_of(scene: scenes.Scene, num_frames: int) -> CaptionedClip:
    """Return the clip of a scene: its pictures, sound, captions and ground truth."""
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
    """Return the mask of toys, [T, H, W] with -1 for none, as a film uint8 [T, H, W, 3], white on black."""
    return _grey(np.where(toy >= 0, 255.0, 0.0))


def _grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(np.round(values).astype(np.uint8)[..., None], 3, axis=-1)
