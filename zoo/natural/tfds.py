"""Any sound as a TFDS data set: its recordings in pieces, one split for each split and kind.

Comes in: the folder of the packages that `fetch_sounds.py` brings. Goes out: ArrayRecord files that any TFDS or Grain
reader opens with random access, without TensorFlow.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from reelm.data.sharded_tfds import Shard, ShardedBuilder, prepare
from reelm.errors import RequestError
from reelm.progress import Progress, silent

from .pieces import SAMPLE_RATE, pieces
from .sound_packages import KINDS, SPLITS, Kind, Split, read_packages

_DESCRIPTION = """
Pieces of sound, 16 kHz and mono, at most six seconds long: speech in some thirty languages, music and effects, out of
Debian packages of games, teachers' programs and telephone systems. Splits are "train_speech", "test_music" and so on:
no speaker, piece of music or package of effects is in both. "source" is the package and the file in it. Each package
keeps the licence of its sounds in its file `copyright`.
"""


class AnySound(ShardedBuilder):
    """The builder; `packages` is the folder of the packages, None for `sound_packages.default_source()`."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, *, packages: Path | None = None, **fields: Any) -> None:
        self._packages = packages
        super().__init__(**fields)

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "audio": tfds.features.Tensor(shape=(None,), dtype=np.int16, encoding="zlib"),
            "sample_rate": tfds.features.Scalar(np.int32),
            "source": tfds.features.Text(),
        }
        # Shuffling is the reader's task.
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(features),
            disable_shuffling=True,
        )

    def shards(self) -> dict[str, list[Shard]]:
        return {f"{split}_{kind}": [partial(self._examples, split, kind)] for split in SPLITS for kind in KINDS}

    def _examples(self, split: Split, kind: Kind) -> Iterator[dict[str, Any]]:
        for recording in read_packages(self._packages, split, kind):
            for piece in pieces(recording):
                yield {"audio": piece, "sample_rate": SAMPLE_RATE, "source": recording.source}


def build(data_dir: Path, packages: Path | None = None, progress: Progress = silent) -> Path:
    """Write the set to `data_dir`, unless it is there, and return its folder.

    RequestError when `packages` (None: the default folder) lacks some; nothing is left behind then.
    """
    return prepare(_builder(data_dir, packages), progress)


def open_built(data_dir: Path, split: Split, kind: Kind) -> Sequence[dict[str, Any]]:
    """Return the decoded records of a split and a kind, by random access; RequestError if the set was not built."""
    builder = _builder(data_dir)
    if not builder.is_prepared():
        raise RequestError(f"no any_sound in {data_dir}; build it there first (reelm data build any_sound)")
    return builder.as_data_source(f"{split}_{kind}")  # pyright: ignore[reportCallIssue]  (a decorator hides it)


def _builder(data_dir: Path, packages: Path | None = None) -> AnySound:
    return AnySound(packages=packages, data_dir=str(data_dir), file_format="array_record")
