"""The set of animated emoji: built once from packages that the user fetches, and read by index.

In: the folder of the packages, a configuration; then a split, a length. Out: a `ClipSource`. It has the first clip of
every emoji, then the second clip of every emoji and so on, so that the first clips are a fair sample.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from reelm.data.clips import CaptionedClip, ShapeRun
from reelm.data.stored_clip import decode, encode
from reelm.data.stored_set import Record, Reordered, StoredClips, StoredSet, long_enough
from reelm.errors import RequestError
from reelm.progress import Progress, silent
from reelm.storage.home import datasets_folder

from .clips import PHRASINGS, SPLITS, VARIANTS, Split, examples, of_split
from .packages import Emoji, read_packages

_CONFIGS = {f"{size}px_{fps}fps": (size, fps) for size in (64, 128, 256) for fps in (8, 12)}
_USUAL = "128px_8fps"
_SHARD = 256  # emoji
_FIELDS: dict[str, Any] = {
    "video": bytes,
    "captions": tuple[str, ...],
    "fps": np.float32,
    "frames": np.int32,
    "height": np.int32,
    "width": np.int32,
    "emoji": str,
    "tone": str,
    "name": str,
    "group": str,
    "background": str,
}
_ABOUT = f"""
Captioned clips of one animated emoji over a plain colour: three seconds and the first frame of the next round, so that
a loop of three seconds ends as it began; {VARIANTS} clips of each emoji, half of them on white, the others on colours
that their captions name. Splits: "train"; "held_out", pairs of an emoji and a skin tone that "train" never shows, while
it shows that emoji in other tones; "still", single frames of emoji that do not move. "video" is an mp4 (H.264, 4:4:4)
as bytes, for PyAV, imageio or FFmpeg; "captions" are {PHRASINGS} ways to say what it shows; "emoji" holds the code
points without skin tone, in hex. The first clip of each emoji is on white, the first of its captions the plain name.

Pictures: Fluent Emoji, Copyright (c) Microsoft Corporation, MIT License, packaged by LobeHub. Names: emoji-datasource,
Copyright (c) 2013 Cal Henderson, MIT License. Keywords: emojilib, Copyright (c) 2014 Mu-An Chiou, MIT License.
"""


class EmojiClips(StoredClips):
    """The clips of one split, cut to one number of frames."""

    @property
    def num_frames(self) -> int:
        """Frames of each clip."""
        return self.shapes[0].frames

    @property
    def emoji(self) -> int:
        """The number of emoji, which is also the number of plain clips at the start."""
        return len(self.records) // VARIANTS

    def what(self, index: int) -> dict[str, str]:
        """Return a description of a clip: emoji, tone, name, group, background and first caption."""
        record = self.records[self.place(index)[0]]
        words = {name: value.decode() for name, value in record.items() if isinstance(value, bytes) and name != "video"}
        return {**words, "caption": record["captions"][0].decode()}


def _clip(record: Record, frames: int) -> CaptionedClip:
    return {
        "video": decode(record["video"], frames),
        "captions": tuple(caption.decode() for caption in record["captions"]),
        "fps": float(record["fps"]),
    }


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
        stored = self._stored()
        if not stored.is_written:
            raise RequestError(
                f"no {self.name}/{stored.config} in {stored.data_dir}; build it there first "
                f"(reelm data build {self.name} --size {stored.config})"
            )
        records = stored.records(split)
        # The files store all clips of one emoji together.
        order = np.arange(len(records)).reshape(-1, VARIANTS).T.ravel()
        first, where = records[0], f"{self.name}/{stored.config}"
        runs = (ShapeRun(len(records), int(first["frames"]), int(first["height"]), int(first["width"])),)
        shapes, firsts = long_enough(where, split, runs, num_frames, num_clips)
        description = {"dataset": where, "split": split, "num_frames": shapes[0].frames}
        return EmojiClips(description, shapes, firsts, Reordered(records, order), _clip)

    def build(self, *, packages: Path | None = None, progress: Progress = silent) -> Path:
        """Write the set to `data_dir`; see `BuildableSet.build`.

        packages: folder of the packages. Default: `$REELM_HOME/animated_emoji`.
        """
        stored = self._stored()
        if stored.is_written:
            return stored.write({})
        size, fps = _CONFIGS[stored.config or ""]
        emoji = read_packages(packages)  # which the user fetched with npm
        shards = {
            split: [
                partial(_examples, split, emoji, slice(first, first + _SHARD), size, fps)
                for first in range(0, len(of_split(split, emoji)), _SHARD)
            ]
            for split in SPLITS
        }
        return stored.write(shards, progress)

    def _stored(self) -> StoredSet:
        config = self.config or _USUAL
        if config not in _CONFIGS:
            raise RequestError(f"{self.name} has no configuration {config!r}; it has {', '.join(_CONFIGS)}")
        return StoredSet(
            name=self.name,
            data_dir=self.data_dir or datasets_folder(),
            version="2.0.0",
            fields=_FIELDS,
            about=_ABOUT,
            config=config,
            licence="MIT",
        )


def _examples(split: Split, emoji: Sequence[Emoji], which: slice, size: int, fps: int) -> Iterator[dict[str, Any]]:
    encoded: dict[str, bytes] = {}  # of one emoji by its background: clips on white differ only in captions
    for index, clip in enumerate(examples(split, emoji, which, size=size, fps=fps)):
        if index % VARIANTS == 0:
            encoded = {}
        if clip.background not in encoded:
            encoded[clip.background] = encode(clip.video, fps)
        yield {
            "video": encoded[clip.background],
            "frames": len(clip.video),
            "height": size,
            "width": size,
            "captions": list(clip.captions),
            "fps": float(fps),
            "emoji": clip.emoji.base,
            "tone": clip.emoji.tone,
            "name": clip.emoji.names[0],
            "group": clip.emoji.group,
            "background": clip.background,
        }
