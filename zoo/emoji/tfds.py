"""Animated emoji as a TFDS data set: record `i` of a split is the i-th of `clips.examples(split, ...)`.

Comes in: the folder of the packages that `packages.FETCH` brings. Goes out: ArrayRecord files that any TFDS or
Grain reader opens with random access, without TensorFlow.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from reelm.data.sharded_tfds import Shard, ShardedBuilder, prepare
from reelm.data.stored_clip import encode
from reelm.errors import RequestError
from reelm.progress import Progress, silent

from .clips import PHRASINGS, SPLITS, VARIANTS, Split, examples, num_frames, of_split
from .packages import Emoji, read_packages

_SHARD = 256  # emoji

_DESCRIPTION = f"""
Captioned clips of one animated emoji over a plain colour: three seconds and the first frame of the next round, so that
a loop of three seconds ends as it began; {VARIANTS} clips of each emoji, half of them on white, the others on colours
that their captions name. Splits: "train"; "held_out", pairs of an emoji and a skin tone that "train" never shows, while
it shows that emoji in other tones; "still", single frames of emoji that do not move. "video" is an mp4 (H.264, 4:4:4)
as bytes, for PyAV, imageio or FFmpeg; "captions" are {PHRASINGS} ways to say what it shows; "emoji" holds the code
points without skin tone, in hex. The first clip of each emoji is on white, the first of its captions the plain name.

Pictures: Fluent Emoji, Copyright (c) Microsoft Corporation, MIT License, packaged by LobeHub. Names: emoji-datasource,
Copyright (c) 2013 Cal Henderson, MIT License. Keywords: emojilib, Copyright (c) 2014 Mu-An Chiou, MIT License.
"""


@dataclass(eq=False)
class AnimatedEmojiConfig(tfds.core.BuilderConfig):
    """Side of the clips in pixels and their frames a second.

    TFDS keys prepared data by `name`: two configs that differ must differ in name.
    """

    size: int = 64
    fps: int = 8


class AnimatedEmoji(ShardedBuilder):
    """The builder; `AnimatedEmoji(config="128px_12fps", file_format="array_record").download_and_prepare()`.

    `packages` is the folder of the packages, None for `emoji_packages.default_source()`.
    """

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES = {"2.0.0": "Several captions of each clip."}
    BUILDER_CONFIGS = [
        AnimatedEmojiConfig(
            name=f"{size}px_{fps}fps",
            size=size,
            fps=fps,
            description=f"{size}x{size}, {num_frames(fps)} frames at {fps} a second.",
        )
        for size in (64, 128, 256)
        for fps in (8, 12)
    ]

    def __init__(self, *, packages: Path | None = None, **fields: Any) -> None:
        self._packages = packages
        super().__init__(**fields)

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "video": tfds.features.Tensor(shape=(), dtype=np.object_),
            "captions": tfds.features.Sequence(tfds.features.Text(), length=PHRASINGS),
            "fps": tfds.features.Scalar(np.float32),
            "frames": tfds.features.Scalar(np.int32),
            "height": tfds.features.Scalar(np.int32),
            "width": tfds.features.Scalar(np.int32),
            "emoji": tfds.features.Text(),
            "tone": tfds.features.Text(),
            "name": tfds.features.Text(),
            "group": tfds.features.Text(),
            "background": tfds.features.Text(),
        }
        # Shuffling is the reader's task: kept in order, the clips of an emoji stand together and the first is plain.
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("captions", "video"),
            license="MIT",
            disable_shuffling=True,
        )

    def shards(self) -> dict[str, list[Shard]]:
        emoji = read_packages(self._packages)  # they come by the user's own npm
        firsts = {split: range(0, len(of_split(split, emoji)), _SHARD) for split in SPLITS}
        return {split: [partial(self._examples, split, emoji, first) for first in firsts[split]] for split in SPLITS}

    def _examples(self, split: Split, emoji: Sequence[Emoji], first: int) -> Iterator[dict[str, Any]]:
        config, which = self._config(), slice(first, first + _SHARD)
        encoded: dict[str, bytes] = {}  # of one emoji by its background: clips on white differ in words alone
        for index, clip in enumerate(examples(split, emoji, which, size=config.size, fps=config.fps)):
            if index % VARIANTS == 0:
                encoded = {}
            if clip.background not in encoded:
                encoded[clip.background] = encode(clip.video, config.fps)
            yield {
                "video": encoded[clip.background],
                "frames": len(clip.video),
                "height": config.size,
                "width": config.size,
                "captions": list(clip.captions),
                "fps": float(config.fps),
                "emoji": clip.emoji.base,
                "tone": clip.emoji.tone,
                "name": clip.emoji.names[0],
                "group": clip.emoji.group,
                "background": clip.background,
            }

    def _config(self) -> AnimatedEmojiConfig:
        assert isinstance(self.builder_config, AnimatedEmojiConfig)  # TFDS types it as its base class
        return self.builder_config


def build(data_dir: Path, config: str, packages: Path | None = None, progress: Progress = silent) -> Path:
    """Write a configuration to `data_dir`, unless it is there, and return its folder.

    RequestError when `packages` (None: the default folder) lacks some; nothing is left behind then.
    """
    return prepare(_builder(data_dir, config, packages), progress)


def open_built(data_dir: Path, config: str, split: str) -> Sequence[dict[str, Any]]:
    """Return the decoded records of a split, by random access; RequestError if it was not built in `data_dir`."""
    builder = _builder(data_dir, config)
    if not builder.is_prepared():
        raise RequestError(
            f"no animated_emoji/{config} in {data_dir}; build it there first (reelm data build animated_emoji --size "
            f"{config})"
        )
    return builder.as_data_source(split)  # pyright: ignore[reportCallIssue]  (a decorator of TFDS hides the parameters)


def _builder(data_dir: Path, config: str, packages: Path | None = None) -> AnimatedEmoji:
    configs = [each.name for each in AnimatedEmoji.BUILDER_CONFIGS]
    if config not in configs:
        raise RequestError(f"animated_emoji has no configuration {config!r}; there are {', '.join(configs)}")
    return AnimatedEmoji(packages=packages, data_dir=str(data_dir), config=config, file_format="array_record")
