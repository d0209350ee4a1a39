"""The set of animated emoji: its clips by index, read from where the set was built.

Comes in: the folder and the configuration of the set, a split, a length. Goes out: a `ClipSource`. First comes the
plain clip of every emoji, then the second clip of every emoji, so that the first clips are a fair sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelm.data.clips import CaptionedClip, ShapeRun
from reelm.data.stored_clip import decode
from reelm.errors import RequestError
from reelm.progress import Progress, silent
from reelm.storage.home import datasets_folder

from .clips import SPLITS, VARIANTS

_CONFIG = "128px_8fps"


@dataclass(frozen=True, eq=False)
class EmojiClips:
    """The clips of one split, cut to `num_frames` frames."""

    config: str
    split: str
    num_frames: int
    num_clips: int
    records: Sequence[dict[str, Any]]
    size: int

    @property
    def description(self) -> dict[str, Any]:
        return {"dataset": f"animated_emoji/{self.config}", "split": self.split, "num_frames": self.num_frames}

    @property
    def shapes(self) -> tuple[ShapeRun, ...]:
        return (ShapeRun(self.num_clips, self.num_frames, self.size, self.size),)

    def __len__(self) -> int:
        return self.num_clips

    def __getitem__(self, index: int) -> CaptionedClip:
        record = self._record(index)
        return {
            "video": decode(record["video"], self.num_frames),
            "captions": tuple(caption.decode() for caption in record["captions"]),
            "fps": float(record["fps"]),
        }

    @property
    def emoji(self) -> int:
        """The number of emoji. The first clips, as many as this, are the plain ones."""
        return len(self.records) // VARIANTS

    def what(self, index: int) -> dict[str, str]:
        """Return what a clip shows, in words: emoji, tone, name, group, background and first caption."""
        record = self._record(index)
        words = {name: value.decode() for name, value in record.items() if isinstance(value, bytes) and name != "video"}
        return {**words, "caption": record["captions"][0].decode()}

    def _record(self, index: int) -> dict[str, Any]:
        if not 0 <= index < self.num_clips:
            raise IndexError(f"clip {index} of {self.num_clips}")
        # The file holds all clips of one emoji together.
        variant, number = divmod(int(index), self.emoji)
        return self.records[number * VARIANTS + variant]


@dataclass(frozen=True)
class AnimatedEmojiSet:
    """Animated emoji, built from packages that the user fetches.

    data_dir: folder of built sets. Default: `$REELM_HOME/datasets`.
    config: size and frame rate. Default: 128px_8fps.
    """

    name = "animated_emoji"
    summary = "2,109 emoji that move over a plain colour: 64x64 or 128x128, 8 or 12 fps, 3 s, built from packages"
    splits = SPLITS
    held_back = "held_out"
    drawn = False

    data_dir: Path | None = None
    config: str | None = None

    def open(self, split: str, *, num_frames: int | None = None, num_clips: int | None = None) -> EmojiClips:
        """Open the first clips of a split, each cut to `num_frames` frames; see `DataSet.open`."""
        from . import tfds  # it takes a second to import

        config = self.config or _CONFIG
        records = tfds.open_built(self.data_dir or datasets_folder(), config, split)
        frames, size = int(records[0]["frames"]), int(records[0]["height"])
        if (num_frames or 1) > frames:
            raise RequestError(f"the clips of {self.name}/{config} have {frames} frames in {split}, not {num_frames}")
        if (num_clips or 1) > len(records):
            raise RequestError(f"{self.name}/{config} has {len(records)} clips in {split}, not {num_clips}")
        return EmojiClips(config, split, num_frames or frames, num_clips or len(records), records, size)

    def build(self, *, packages: Path | None = None, progress: Progress = silent) -> Path:
        """Write the set to `data_dir`; see `BuildableSet.build`.

        packages: folder of the packages. Default: `$REELM_HOME/animated_emoji`.
        """
        from . import tfds

        return tfds.build(self.data_dir or datasets_folder(), self.config or _CONFIG, packages, progress)
