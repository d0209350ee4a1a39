"""The clips of animated emoji that were built, by index.

Comes in: where the set was built, its configuration, a split, a length. Goes out: a `ClipSource`: first the plain clip
of every emoji, then the second of every one, so that the first so many are a fair sample. Knows nothing of pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelm.data.clips import CaptionedClip, ShapeRun
from reelm.data.stored_clip import decode
from reelm.errors import RequestError

from .emoji import SPLITS, VARIANTS


@dataclass(frozen=True, eq=False)
class EmojiClips:
    """Clips of one split, cut to `num_frames`. `what(index)` says what a clip shows."""

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
        """How many emoji there are; the clips of so many indices from 0 are their plain ones."""
        return len(self.records) // VARIANTS

    def what(self, index: int) -> dict[str, str]:
        """The fields of a clip's record that are words: emoji, tone, name, group, background, first caption."""
        record = self._record(index)
        words = {name: value.decode() for name, value in record.items() if isinstance(value, bytes) and name != "video"}
        return {**words, "caption": record["captions"][0].decode()}

    def _record(self, index: int) -> dict[str, Any]:
        if not 0 <= index < self.num_clips:
            raise IndexError(f"clip {index} of {self.num_clips}")
        # Stored emoji by emoji, so that building one reads each picture once.
        variant, number = divmod(int(index), self.emoji)
        return self.records[number * VARIANTS + variant]


def open_emoji(split: str, num_frames: int | None, num_clips: int | None, data_dir: Path, config: str) -> EmojiClips:
    """The clips of a split, each cut to `num_frames` (None: whole); RequestError for what is not there."""
    from . import tfds as animated_emoji_tfds  # TFDS takes a second to import: only those who read built sets pay it

    if split not in SPLITS:
        raise RequestError(f"animated_emoji has no split {split!r}; there are {', '.join(SPLITS)}")
    records = animated_emoji_tfds.open_built(data_dir, config, split)
    frames, size = int(records[0]["frames"]), int(records[0]["height"])
    if (num_frames or 1) > frames:
        raise RequestError(f"the clips of animated_emoji/{config} have {frames} frames in {split}, not {num_frames}")
    if (num_clips or 1) > len(records):
        raise RequestError(f"animated_emoji/{config} has {len(records)} clips in {split}, not {num_clips}")
    return EmojiClips(config, split, num_frames or frames, num_clips or len(records), records, size)
