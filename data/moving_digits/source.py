"""Moving digits as a data set, drawn on demand or read from disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reelm.data.clips import CaptionedClip, ClipSource, ShapeRun
from reelm.errors import RequestError
from reelm.progress import Progress

from . import scenes, soundtracks
from .mnist import DigitSet
from .voices import VoiceSet

# More clips than any run here shows once, so a training clip is practically never seen twice.
_ENDLESS = 1_000_000

_FRAMES = 33  # of a clip that is drawn, where no length is asked for


@dataclass(frozen=True, eq=False)
class _DrawnDigits:
    """moving_digits, each clip rendered when it is asked for (a third of a millisecond, with sound some more)."""

    name: str
    split: scenes.Split
    num_frames: int
    num_clips: int
    digits: DigitSet
    voices: VoiceSet | None

    @property
    def description(self) -> dict[str, Any]:
        voices = {} if self.voices is None else {"voices": self.voices.name}
        return _description(self.name, self.split, self.num_frames, self.digits.name) | voices

    @property
    def shapes(self) -> tuple[ShapeRun, ...]:
        return (ShapeRun(self.num_clips, self.num_frames, scenes.SIZE, scenes.SIZE),)

    def __len__(self) -> int:
        return self.num_clips

    def __getitem__(self, index: int) -> CaptionedClip:
        if not 0 <= index < self.num_clips:
            raise IndexError(f"clip {index} of {self.num_clips}")
        which = (self.split, int(index), self.num_frames, self.digits)
        fps = float(scenes.FPS)
        if self.voices is None:
            silent = scenes.example(*which)
            return {"video": silent["video"], "captions": silent["captions"], "fps": fps}
        clip = soundtracks.example(*which, self.voices)
        return {
            "video": clip["video"],
            "captions": clip["captions"],
            "fps": fps,
            "audio": clip["audio"],
            "sample_rate": clip["sample_rate"],
        }


@dataclass(frozen=True, eq=False)
class _BuiltDigits:
    """moving_digits as its TFDS builder wrote it."""

    name: str
    split: scenes.Split
    num_frames: int
    num_clips: int
    records: Sequence[dict[str, Any]]

    @property
    def description(self) -> dict[str, Any]:
        first = self.records[0]
        voices = {"voices": first["voices"].decode()} if "voices" in first else {}
        return _description(self.name, self.split, self.num_frames, first["handwriting"].decode()) | voices

    @property
    def shapes(self) -> tuple[ShapeRun, ...]:
        return (ShapeRun(self.num_clips, self.num_frames, scenes.SIZE, scenes.SIZE),)

    def __len__(self) -> int:
        return self.num_clips

    def __getitem__(self, index: int) -> CaptionedClip:
        if not 0 <= index < self.num_clips:
            raise IndexError(f"clip {index} of {self.num_clips}")
        record = self.records[int(index)]
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


def _description(name: str, split: str, num_frames: int, handwriting: str) -> dict[str, Any]:
    return {"dataset": name, "split": split, "num_frames": num_frames, "handwriting": handwriting}


def open_digits(
    name: str, split: str, num_frames: int | None, num_clips: int | None, data_dir: Path | None, config: str
) -> ClipSource:
    known, num_frames = _digits_split(split), num_frames or _FRAMES
    if data_dir is None:
        voices = soundtracks.voices_for(known) if name == "moving_digits_sound" else None
        return _DrawnDigits(name, known, num_frames, num_clips or _ENDLESS, scenes.digits_for(known), voices)
    from . import tfds as moving_digits_tfds  # TFDS takes a second to import: only those who read built sets pay it

    records = moving_digits_tfds.open_built(name, data_dir, config, known)
    if (num_clips or 0) > len(records):
        raise RequestError(f"{name}/{config} has {len(records)} clips in {split}, not {num_clips}")
    frames = len(records[0]["video"])
    if num_frames > frames:
        raise RequestError(f"the clips of {name}/{config} have {frames} frames, not {num_frames}")
    return _BuiltDigits(name, known, num_frames, num_clips or len(records), records)


def build_digits(name: str, data_dir: Path, config: str, packages: Path | None, progress: Progress) -> Path:
    from . import tfds as moving_digits_tfds

    del packages  # the handwriting is local
    return moving_digits_tfds.build(name, data_dir, config, progress)


def _digits_split(split: str) -> scenes.Split:
    return next(known for known in scenes.SPLITS if known == split)
