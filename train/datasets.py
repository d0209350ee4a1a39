"""The data sets by name: what training reads, as random-access sources of captioned clips.

Comes in: a name, a split, and for a set built on disk its folder. Goes out: a `ClipSource`, which Grain and plain
loops index alike. Knows nothing of tokens (`tokens.py`), batches (`pipeline.py`) or models.

`moving_digits` and `moving_digits_sound` need no files: any clip is drawn on demand from its index. The set that
`build` writes to disk holds the very same clips in the same order, for readers outside this package.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NotRequired, Protocol, TypedDict

import numpy as np

from reelm.tokenizer.request import RequestError

from . import moving_digits, moving_digits_sound
from .mnist import DigitSet, cache_folder
from .voices import VoiceSet

# More clips than any run here shows once, so a training clip is practically never seen twice.
_ENDLESS = 1_000_000


class CaptionedClip(TypedDict):
    """video uint8[T, H, W, 3], its caption, its frames a second; with sound also audio float32[S, C] and its rate."""

    video: np.ndarray
    caption: str
    fps: float
    audio: NotRequired[np.ndarray]
    sample_rate: NotRequired[int]


class ClipSource(Protocol):
    """Clips by index from 0; IndexError beyond the end, so that a plain loop ends there."""

    @property
    def description(self) -> dict[str, Any]:
        """What was opened, as JSON values: kept beside tokens and weights made from it."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> CaptionedClip: ...


def names() -> tuple[str, ...]:
    """The names that `open_clips` and `build` know."""
    return tuple(_DATASETS)


def describe(name: str) -> str:
    """A data set in one line."""
    return _dataset(name).summary


def open_clips(
    name: str,
    split: str,
    *,
    num_frames: int = 33,
    num_clips: int | None = None,
    data_dir: Path | None = None,
    config: str = "full",
) -> ClipSource:
    """The first `num_clips` clips of a split (None: all), each of `num_frames` frames.

    With `data_dir` they are read from what `build(name, data_dir, config)` wrote there; without it they are drawn on
    demand. RequestError for an unknown name or split, more frames or clips than there are, or a set not built.
    """
    dataset = _dataset(name)
    if split not in dataset.splits:
        raise RequestError(f"{name} has no split {split!r}; there are {', '.join(dataset.splits)}")
    for what, number in (("num_frames", num_frames), ("num_clips", num_clips)):
        if number is not None and number < 1:
            raise RequestError(f"{what} is {number}; it must be at least 1")
    if data_dir is None:
        return dataset.draw(split, num_frames, num_clips)
    return dataset.read(split, num_frames, num_clips, data_dir, config)


def build(name: str, data_dir: Path | None = None, config: str = "full") -> Path:
    """Writes a data set to disk by its TFDS builder and names the folder; nothing is done again where it is there.

    `data_dir` is `$REELM_HOME/datasets` by default. RequestError for an unknown name or configuration.
    """
    return _dataset(name).build(data_dir or cache_folder() / "datasets", config)


@dataclass(frozen=True, kw_only=True)
class _Dataset:
    summary: str
    splits: tuple[str, ...]
    draw: Callable[[str, int, int | None], ClipSource]
    read: Callable[[str, int, int | None, Path, str], ClipSource]
    build: Callable[[Path, str], Path]


def _dataset(name: str) -> _Dataset:
    if name not in _DATASETS:
        raise RequestError(f"no data set is named {name!r}; there are {', '.join(_DATASETS)}")
    return _DATASETS[name]


@dataclass(frozen=True, eq=False)
class _DrawnDigits:
    """moving_digits, each clip rendered when it is asked for (a third of a millisecond, with sound some more)."""

    name: str
    split: moving_digits.Split
    num_frames: int
    num_clips: int
    digits: DigitSet
    voices: VoiceSet | None

    @property
    def description(self) -> dict[str, Any]:
        voices = {} if self.voices is None else {"voices": self.voices.name}
        return _description(self.name, self.split, self.num_frames, self.digits.name) | voices

    def __len__(self) -> int:
        return self.num_clips

    def __getitem__(self, index: int) -> CaptionedClip:
        if not 0 <= index < self.num_clips:
            raise IndexError(f"clip {index} of {self.num_clips}")
        which = (self.split, int(index), self.num_frames, self.digits)
        fps = float(moving_digits.FPS)
        if self.voices is None:
            silent = moving_digits.example(*which)
            return {"video": silent["video"], "caption": silent["caption"], "fps": fps}
        clip = moving_digits_sound.example(*which, self.voices)
        return {
            "video": clip["video"],
            "caption": clip["caption"],
            "fps": fps,
            "audio": clip["audio"],
            "sample_rate": clip["sample_rate"],
        }


@dataclass(frozen=True, eq=False)
class _BuiltDigits:
    """moving_digits as its TFDS builder wrote it."""

    name: str
    split: moving_digits.Split
    num_frames: int
    num_clips: int
    records: Sequence[dict[str, Any]]

    @property
    def description(self) -> dict[str, Any]:
        first = self.records[0]
        voices = {"voices": first["voices"].decode()} if "voices" in first else {}
        return _description(self.name, self.split, self.num_frames, first["handwriting"].decode()) | voices

    def __len__(self) -> int:
        return self.num_clips

    def __getitem__(self, index: int) -> CaptionedClip:
        if not 0 <= index < self.num_clips:
            raise IndexError(f"clip {index} of {self.num_clips}")
        record = self.records[int(index)]
        clip: CaptionedClip = {
            "video": record["video"][: self.num_frames],
            "caption": record["caption"].decode(),
            "fps": float(record["fps"]),
        }
        if "audio" in record:
            rate = int(record["sample_rate"])
            samples = self.num_frames * rate // moving_digits.FPS
            clip["audio"], clip["sample_rate"] = record["audio"][:samples] / np.float32(32768), rate
        return clip


def _description(name: str, split: str, num_frames: int, handwriting: str) -> dict[str, Any]:
    return {"dataset": name, "split": split, "num_frames": num_frames, "handwriting": handwriting}


def _draw_digits(name: str, split: str, num_frames: int, num_clips: int | None) -> ClipSource:
    known = _digits_split(split)
    voices = moving_digits_sound.voices_for(known) if name == "moving_digits_sound" else None
    return _DrawnDigits(name, known, num_frames, num_clips or _ENDLESS, moving_digits.digits_for(known), voices)


def _read_digits(
    name: str, split: str, num_frames: int, num_clips: int | None, data_dir: Path, config: str
) -> ClipSource:
    from . import moving_digits_tfds  # TFDS takes a second to import: only those who read built sets pay it

    records = moving_digits_tfds.open_built(name, data_dir, config, _digits_split(split))
    if (num_clips or 0) > len(records):
        raise RequestError(f"{name}/{config} has {len(records)} clips in {split}, not {num_clips}")
    frames = len(records[0]["video"])
    if num_frames > frames:
        raise RequestError(f"the clips of {name}/{config} have {frames} frames, not {num_frames}")
    return _BuiltDigits(name, _digits_split(split), num_frames, num_clips or len(records), records)


def _build_digits(name: str, data_dir: Path, config: str) -> Path:
    from . import moving_digits_tfds

    return moving_digits_tfds.build(name, data_dir, config)


def _digits_split(split: str) -> moving_digits.Split:
    return next(known for known in moving_digits.SPLITS if known == split)


def _digits(name: str, summary: str) -> _Dataset:
    return _Dataset(
        summary=summary,
        splits=moving_digits.SPLITS,
        draw=partial(_draw_digits, name),
        read=partial(_read_digits, name),
        build=partial(_build_digits, name),
    )


_DATASETS = {
    "moving_digits": _digits(
        "moving_digits", "one or two handwritten digits move and bounce: 64x64, 8 fps, any length, drawn on demand"
    ),
    "moving_digits_sound": _digits(
        "moving_digits_sound", "the same, and a voice names the digits, a tick marks each bounce: 16 kHz, mono"
    ),
}
