"""The sets of moving digits: clips drawn on demand, or the same clips read from disk."""

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from reelm.data.clips import CaptionedClip, ClipSource, ShapeRun
from reelm.errors import RequestError
from reelm.progress import Progress, silent
from reelm.storage.home import datasets_folder

from . import chinese, paths, scenes, soundtracks, stories
from .mnist import DigitSet
from .voices import VoiceSet

# More clips than a run shows, so training practically never sees a clip twice.
_ENDLESS = 1_000_000

_FRAMES = 33  # of a clip, by default
_CONFIG = "full"


# (split, index, frames, digits, voices) -> a clip, the same for ever.
Drawing = Callable[[scenes.Split, int, int, DigitSet, VoiceSet | None], CaptionedClip]


def _silent(split: scenes.Split, index: int, frames: int, digits: DigitSet, _: VoiceSet | None) -> CaptionedClip:
    clip = scenes.example(split, index, frames, digits)
    return {
        "video": clip["video"],
        "captions": clip["captions"],
        "fps": float(scenes.FPS),
        "tracks": scenes.tracks(clip["scene"], digits, frames),
    }


def _sounding(split: scenes.Split, index: int, frames: int, digits: DigitSet, voices: VoiceSet | None) -> CaptionedClip:
    clip = soundtracks.example(split, index, frames, digits, voices)
    return _with_sound(clip, clip["captions"], scenes.tracks(clip["scene"], digits, frames))


def _bilingual(
    split: scenes.Split, index: int, frames: int, digits: DigitSet, voices: VoiceSet | None
) -> CaptionedClip:
    clip = soundtracks.example(split, index, frames, digits, voices)
    said = (*clip["captions"], chinese.caption_beside(split, index, clip))
    return _with_sound(clip, said, scenes.tracks(clip["scene"], digits, frames))


def _walking(
    split: scenes.Split,
    index: int,
    frames: int,
    digits: DigitSet,
    voices: VoiceSet | None,
    *,
    count: int | None = None,
) -> CaptionedClip:
    clip = paths.example(split, index, frames, digits, voices, count=count)
    return _with_sound(clip, clip["captions"], clip["tracks"])


def _with_sound(
    clip: soundtracks.SoundingExample | paths.PathExample, captions: tuple[str, ...], tracks: np.ndarray
) -> CaptionedClip:
    return {
        "video": clip["video"],
        "captions": captions,
        "fps": float(scenes.FPS),
        "audio": clip["audio"],
        "sample_rate": clip["sample_rate"],
        "tracks": tracks,
    }


@dataclass(frozen=True)
class MovingDigitsSet:
    """Moving digits without sound.

    data_dir: folder with the built set. Default: clips are drawn on demand.
    config: configuration of the built set. Default: full.
    """

    name = "moving_digits"
    summary = "one or two handwritten digits move and bounce: 64x64, 8 fps, any length, drawn on demand"
    splits = scenes.SPLITS
    held_back = "test"
    drawn = True
    sounds = False
    drawing: ClassVar[Drawing] = staticmethod(_silent)
    speakers: ClassVar[Callable[[scenes.Split], VoiceSet]] = staticmethod(soundtracks.voices_for)

    data_dir: Path | None = None
    config: str | None = None

    def open(self, split: str, *, num_frames: int | None = None, num_clips: int | None = None) -> ClipSource:
        """Open the first clips of a split, each cut to `num_frames` frames, 33 by default; see `DataSet.open`."""
        known: scenes.Split = next(known for known in scenes.SPLITS if known == split)
        frames, config = num_frames or _FRAMES, self.config or _CONFIG
        if self.data_dir is None:
            voices = self.speakers(known) if self.sounds else None
            digits, clips = scenes.digits_for(known), num_clips or _ENDLESS
            return _DrawnDigits(self.name, known, frames, clips, digits, voices, self.drawing)
        from . import tfds  # it takes a second to import

        records = tfds.open_built(self.name, self.data_dir, config, known)
        if (num_clips or 0) > len(records):
            raise RequestError(f"{self.name}/{config} has {len(records)} clips in {split}, not {num_clips}")
        if frames > (longest := len(records[0]["video"])):
            raise RequestError(f"the clips of {self.name}/{config} have {longest} frames, not {frames}")
        return _BuiltDigits(self.name, known, frames, num_clips or len(records), records)

    def build(self, *, packages: Path | None = None, progress: Progress = silent) -> Path:
        """Write the set to `data_dir`, by default `$REELM_HOME/datasets`; see `BuildableSet.build`."""
        if packages is not None:
            raise RequestError(f"{self.name} is made of no packages; leave them out")
        from . import tfds

        return tfds.build(self.name, self.data_dir or datasets_folder(), self.config or _CONFIG, progress)


class MovingDigitsSoundSet(MovingDigitsSet):
    """Moving digits with sound."""

    name = "moving_digits_sound"
    summary = "the same, and a voice names the digits, a tick marks each bounce: 16 kHz, mono"
    sounds = True
    drawing = staticmethod(_sounding)


class MovingDigitsVoicesSet(MovingDigitsSoundSet):
    """Moving digits with sound, said by more voices. They are drawn on demand alone."""

    name = "moving_digits_voices"
    summary = "the same, said by the voices of $REELM_HOME/more_voices.npz, where they were gathered"
    speakers = staticmethod(soundtracks.more_voices_for)


class MovingDigitsChineseSet(MovingDigitsSoundSet):
    """Moving digits with sound, and captions in two languages."""

    name = "moving_digits_sound_zh"
    summary = "the same clips with sound, one caption in four is Chinese"
    drawing = staticmethod(_bilingual)


class MovingDigitsStoriesSet(MovingDigitsSoundSet):
    """Moving digits with sound, a picture of each digit, and the next shot. They are drawn on demand alone."""

    name = "moving_digits_stories"
    summary = "the same with sound, a picture of each digit alone, and the shot that follows after a cut"
    drawing = staticmethod(stories.example)


@dataclass(frozen=True)
class SteeredDigitsSet:
    """Digits on drawn paths, with sound. They are drawn on demand and never built."""

    name = "steered_digits"
    summary = (
        "one or two digits on drawn paths, which the words do not say: 64x64, 8 fps, 16 kHz, any length, with tracks"
    )
    splits = scenes.SPLITS
    held_back = "test"
    drawn = True
    drawing: ClassVar[Drawing] = staticmethod(_walking)

    data_dir: Path | None = None
    config: str | None = None

    def open(self, split: str, *, num_frames: int | None = None, num_clips: int | None = None) -> ClipSource:
        """Open the first clips of a split, each cut to `num_frames` frames, 33 by default; see `DataSet.open`."""
        known: scenes.Split = next(known for known in scenes.SPLITS if known == split)
        digits, voices = scenes.digits_for(known), soundtracks.voices_for(known)
        frames, clips = num_frames or _FRAMES, num_clips or _ENDLESS
        return _DrawnDigits(self.name, known, frames, clips, digits, voices, self.drawing)

    def build(self, *, packages: Path | None = None, progress: Progress = silent) -> Path:
        """Refuse: there is nothing to build."""
        raise RequestError(f"{self.name} is drawn on demand; there is nothing to build")


class SteeredPairsSet(SteeredDigitsSet):
    """Two digits on drawn paths."""

    name = "steered_pairs"
    summary = "the same with two digits in each clip: which track is whose is harder to learn than to follow one"
    drawing = staticmethod(partial(_walking, count=2))


@dataclass(frozen=True, eq=False)
class _Digits(abc.ABC):
    """Clips of moving digits, all of one shape."""

    name: str
    split: scenes.Split
    num_frames: int
    num_clips: int

    @property
    def description(self) -> dict[str, Any]:
        where = {"dataset": self.name, "split": self.split, "num_frames": self.num_frames}
        return where | self._made_of()

    @property
    def shapes(self) -> tuple[ShapeRun, ...]:
        return (ShapeRun(self.num_clips, self.num_frames, scenes.SIZE, scenes.SIZE),)

    def __len__(self) -> int:
        return self.num_clips

    def __getitem__(self, index: int) -> CaptionedClip:
        if not 0 <= index < self.num_clips:
            raise IndexError(f"clip {index} of {self.num_clips}")
        return self._clip(int(index))

    @abc.abstractmethod
    def _made_of(self) -> dict[str, str]:
        """Return the names of the handwriting and, with sound, of the voices."""

    @abc.abstractmethod
    def _clip(self, index: int) -> CaptionedClip: ...


@dataclass(frozen=True, eq=False)
class _DrawnDigits(_Digits):
    """Clips that are rendered when they are read, in about a third of a millisecond; sound takes longer."""

    digits: DigitSet
    voices: VoiceSet | None
    drawing: Drawing

    def _made_of(self) -> dict[str, str]:
        voices = {} if self.voices is None else {"voices": self.voices.name}
        return {"handwriting": self.digits.name} | voices

    def _clip(self, index: int) -> CaptionedClip:
        return self.drawing(self.split, index, self.num_frames, self.digits, self.voices)


@dataclass(frozen=True, eq=False)
class _BuiltDigits(_Digits):
    """Clips that the TFDS builder wrote."""

    records: Sequence[dict[str, Any]]

    def _made_of(self) -> dict[str, str]:
        first = self.records[0]
        voices = {"voices": first["voices"].decode()} if "voices" in first else {}
        return {"handwriting": first["handwriting"].decode()} | voices

    def _clip(self, index: int) -> CaptionedClip:
        record = self.records[index]
        clip: CaptionedClip = {
            "video": record["video"][: self.num_frames],
            "captions": tuple(caption.decode() for caption in record["captions"]),
            "fps": float(record["fps"]),
        }
        if "audio" in record:
            rate = int(record["sample_rate"])
            samples = self.num_frames * rate // scenes.FPS
            clip["audio"], clip["sample_rate"] = record["audio"][:samples] / np.float32(32768), rate
        return clip
