"""The data sets by name: what training reads, as random-access sources of captioned clips.

Comes in: a name, a split, and for a set built on disk its folder. Goes out: a `ClipSource`, which Grain and plain
loops index alike. Knows nothing of tokens (`tokens.py`), batches (`pipeline.py`) or models.

`moving_digits` and `moving_digits_sound` need no files: any clip is drawn on demand from its index. The set that
`build` writes to disk holds the very same clips in the same order, for readers outside this package. `animated_emoji`
is built from packages that its user fetches, and then read; `animated_emoji/128px_12fps` names one of its
configurations. Sets that `reelm data build FOLDER` made are found by their names in `$REELM_HOME/datasets`, or by the
path of their folder.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, Protocol, TypedDict

import numpy as np

from reelm.tokenizer.home import home
from reelm.tokenizer.request import RequestError

from . import animated_emoji, moving_digits, moving_digits_sound
from .build import BUILD_FILE, Built, built_names, open_built
from .mnist import DigitSet
from .remote import fetched, is_remote
from .voices import VoiceSet

# More clips than any run here shows once, so a training clip is practically never seen twice.
_ENDLESS = 1_000_000

_FRAMES = 33  # of a clip that is drawn, where no length is asked for


class CaptionedClip(TypedDict):
    """video uint8[T, H, W, 3], its frames a second; with sound also audio float32[S, C] and its rate.

    `captions` are one or more, of which training draws one whenever it meets the clip.
    """

    video: np.ndarray
    captions: tuple[str, ...]
    fps: float
    audio: NotRequired[np.ndarray]
    sample_rate: NotRequired[int]


class ShapeRun(NamedTuple):
    """So many clips of one shape after one another."""

    clips: int
    frames: int
    height: int
    width: int


class ClipSource(Protocol):
    """Clips by index from 0; IndexError beyond the end, so that a plain loop ends there."""

    @property
    def description(self) -> dict[str, Any]:
        """What was opened, as JSON values: kept beside tokens and weights made from it."""
        ...

    @property
    def shapes(self) -> tuple[ShapeRun, ...]:
        """The shapes of all clips, in order."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> CaptionedClip: ...


def names(data_dir: Path | None = None) -> tuple[str, ...]:
    """The names that `open_clips` knows: those this package makes, then the sets built in `data_dir` from folders."""
    return (*own_names(), *built_names(data_dir or built_folder()))


def own_names() -> tuple[str, ...]:
    """The names of the sets that this package makes, which `build` takes."""
    return tuple(_DATASETS)


def describe(name: str, data_dir: Path | None = None) -> str:
    """A data set in one line."""
    if name not in _DATASETS and (folder := _folder(name, data_dir)):
        runs = {split: [ShapeRun(*run) for run in runs] for split, runs in _built(folder).splits.items()}
        counts = ", ".join(f"{sum(run.clips for run in each)} in {split}" for split, each in runs.items())
        shapes = sorted({run[1:] for each in runs.values() for run in each})
        return f"clips: {counts}; of {', '.join('x'.join(map(str, shape)) for shape in shapes)}; in {folder}"
    return _dataset(name).summary


def is_drawn(name: str) -> bool:
    """Whether the clips of a set are drawn on demand, so that there is no end of them."""
    return name in _DATASETS and _DATASETS[name].drawn


def built_folder() -> Path:
    """Where sets are built that no other folder is named for: `$REELM_HOME/datasets`."""
    return home() / "datasets"


def open_clips(
    name: str,
    split: str,
    *,
    num_frames: int | None = None,
    num_clips: int | None = None,
    data_dir: Path | None = None,
    config: str | None = None,
) -> ClipSource:
    """The first `num_clips` clips of a split (None: all), each of `num_frames` frames.

    `name` may be the folder of a set built from a folder of videos. Of such a set the clips of `num_frames` frames or
    more are taken, which stand by shape; None takes all, each at its length. Of moving_digits None is 33: with
    `data_dir` they are read from what `build(name, data_dir, config)` wrote there; without it they are drawn on demand.
    Of animated_emoji None is their own length, and `data_dir` None is `built_folder()`. `config` None is the set's
    usual one, or the one that `name` holds. RequestError for an unknown name or split, more frames or clips than there
    are, or a set not built.
    """
    for what, number in (("num_frames", num_frames), ("num_clips", num_clips)):
        if number is not None and number < 1:
            raise RequestError(f"{what} is {number}; it must be at least 1")
    if name not in _DATASETS and (folder := _folder(name, data_dir)):
        from .folder_clips import open_folder

        return open_folder(folder, split, num_frames, num_clips)
    dataset = _dataset(name)
    if split not in dataset.splits:
        raise RequestError(f"{name} has no split {split!r}; there are {', '.join(dataset.splits)}")
    return dataset.open(split, num_frames, num_clips, data_dir, config or dataset.config(name))


def open_held_back(name: str, *, num_frames: int | None = None) -> ClipSource:
    """The clips to look at while training: those held back from it, or "train" where a set of one file has no other."""
    folder = None if name in _DATASETS else _folder(name, None)
    if folder is None:
        return open_clips(name, _dataset(name).held_back, num_frames=num_frames)
    return open_clips(name, "test" if "test" in _built(folder).splits else "train", num_frames=num_frames)


def clips_of_one_shape(source: ClipSource, count: int) -> np.ndarray:
    """The first clips, up to `count`, of the shape that most clips have: uint8 [B, T, H, W, 3]."""
    run = max(source.shapes, key=lambda run: run.clips)
    first = sum(before.clips for before in source.shapes[: source.shapes.index(run)])
    return np.stack([source[index]["video"] for index in range(first, first + min(count, run.clips))])


def build(
    name: str,
    data_dir: Path | None = None,
    config: str | None = None,
    packages: Path | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Writes a data set to disk by its TFDS builder and names the folder; nothing is done again where it is there.

    `data_dir` is `$REELM_HOME/datasets` by default; `packages` the folder of what a set is made of, for one that needs
    some; `report` is called with the shards written and the shards there are. RequestError for an unknown name or
    configuration, or packages that are missing.
    """
    dataset = _dataset(name)
    if packages is not None and dataset.drawn:
        raise RequestError(f"{name} is made of no packages; leave them out")
    return dataset.build(data_dir or built_folder(), config or dataset.config(name), packages, report)


def _folder(name: str, data_dir: Path | None) -> Path | None:
    """The folder of a set that was built under that name, or that `name` is; of a remote one, the local copy."""
    if is_remote(name):
        return fetched(name)
    folders = ((data_dir or built_folder()) / name, Path(name).absolute())
    return next((folder for folder in folders if (folder / BUILD_FILE).is_file()), None)


def _built(folder: Path) -> Built:
    return open_built(folder.name, folder.parent)


@dataclass(frozen=True, kw_only=True)
class _Dataset:
    summary: str
    splits: tuple[str, ...]
    held_back: str
    usual_config: str
    drawn: bool
    open: Callable[[str, int | None, int | None, Path | None, str], ClipSource]
    build: Callable[[Path, str, Path | None, Callable[[int, int], None]], Path]

    def config(self, name: str) -> str:
        """The configuration that a name such as "animated_emoji/128px_12fps" holds, or else the usual one."""
        return name.partition("/")[2] or self.usual_config


def _dataset(name: str) -> _Dataset:
    known = _DATASETS.get(name.partition("/")[0])
    if known is None or ("/" in name and known.drawn):
        raise RequestError(
            f"no data set is named {name!r}; there are {', '.join(names())}, and reelm data build makes one of a folder"
        )
    return known


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

    @property
    def shapes(self) -> tuple[ShapeRun, ...]:
        return (ShapeRun(self.num_clips, self.num_frames, moving_digits.SIZE, moving_digits.SIZE),)

    def __len__(self) -> int:
        return self.num_clips

    def __getitem__(self, index: int) -> CaptionedClip:
        if not 0 <= index < self.num_clips:
            raise IndexError(f"clip {index} of {self.num_clips}")
        which = (self.split, int(index), self.num_frames, self.digits)
        fps = float(moving_digits.FPS)
        if self.voices is None:
            silent = moving_digits.example(*which)
            return {"video": silent["video"], "captions": silent["captions"], "fps": fps}
        clip = moving_digits_sound.example(*which, self.voices)
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
    split: moving_digits.Split
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
        return (ShapeRun(self.num_clips, self.num_frames, moving_digits.SIZE, moving_digits.SIZE),)

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
            samples = self.num_frames * rate // moving_digits.FPS
            clip["audio"], clip["sample_rate"] = record["audio"][:samples] / np.float32(32768), rate
        return clip


def _description(name: str, split: str, num_frames: int, handwriting: str) -> dict[str, Any]:
    return {"dataset": name, "split": split, "num_frames": num_frames, "handwriting": handwriting}


def _open_digits(
    name: str, split: str, num_frames: int | None, num_clips: int | None, data_dir: Path | None, config: str
) -> ClipSource:
    known, num_frames = _digits_split(split), num_frames or _FRAMES
    if data_dir is None:
        voices = moving_digits_sound.voices_for(known) if name == "moving_digits_sound" else None
        return _DrawnDigits(name, known, num_frames, num_clips or _ENDLESS, moving_digits.digits_for(known), voices)
    from . import moving_digits_tfds  # TFDS takes a second to import: only those who read built sets pay it

    records = moving_digits_tfds.open_built(name, data_dir, config, known)
    if (num_clips or 0) > len(records):
        raise RequestError(f"{name}/{config} has {len(records)} clips in {split}, not {num_clips}")
    frames = len(records[0]["video"])
    if num_frames > frames:
        raise RequestError(f"the clips of {name}/{config} have {frames} frames, not {num_frames}")
    return _BuiltDigits(name, known, num_frames, num_clips or len(records), records)


def _build_digits(
    name: str, data_dir: Path, config: str, packages: Path | None, report: Callable[[int, int], None]
) -> Path:
    from . import moving_digits_tfds

    del packages  # the handwriting is local
    return moving_digits_tfds.build(name, data_dir, config, report)


def _digits_split(split: str) -> moving_digits.Split:
    return next(known for known in moving_digits.SPLITS if known == split)


def _digits(name: str, summary: str) -> _Dataset:
    return _Dataset(
        summary=summary,
        splits=moving_digits.SPLITS,
        held_back="test",
        usual_config="full",
        drawn=True,
        open=partial(_open_digits, name),
        build=partial(_build_digits, name),
    )


def _open_emoji(
    split: str, num_frames: int | None, num_clips: int | None, data_dir: Path | None, config: str
) -> ClipSource:
    from .emoji_clips import open_emoji

    return open_emoji(split, num_frames, num_clips, data_dir or built_folder(), config)


def _build_emoji(data_dir: Path, config: str, packages: Path | None, report: Callable[[int, int], None]) -> Path:
    from . import animated_emoji_tfds

    return animated_emoji_tfds.build(data_dir, config, packages, report)


_DATASETS = {
    "moving_digits": _digits(
        "moving_digits", "one or two handwritten digits move and bounce: 64x64, 8 fps, any length, drawn on demand"
    ),
    "moving_digits_sound": _digits(
        "moving_digits_sound", "the same, and a voice names the digits, a tick marks each bounce: 16 kHz, mono"
    ),
    "animated_emoji": _Dataset(
        summary="2,109 emoji that move over a plain colour: 64x64 or 128x128, 8 or 12 fps, 3 s, built from packages",
        splits=animated_emoji.SPLITS,
        held_back="held_out",
        usual_config="64px_8fps",
        drawn=False,
        open=_open_emoji,
        build=_build_emoji,
    ),
}
