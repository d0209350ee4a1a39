"""Pieces of recordings as a TFDS data set, which any reader of TFDS opens without this package.

Comes in: pieces of one shape, shard by shard of each split. Goes out: ArrayRecord files with random access. Knows
nothing of what was played.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from reelm.data.sharded_tfds import Shard, ShardedBuilder, prepare
from reelm.errors import RequestError, reason
from reelm.progress import Progress, silent

from .recording import Recording

VERSION = "1.0.0"
Pieces = Callable[[], Iterable[Recording]]

_DESCRIPTION = """ Pieces of recordings of a game, all of one length and size. "frames" are its pictures, "keys" say
which keys were held while each of them came to be. All pieces of one recording are in one split.
"""


class RecordedPieces(ShardedBuilder, skip_registration=True):
    """The TFDS builder. Readers of the set need its folder alone."""

    VERSION = tfds.core.Version(VERSION)

    def __init__(
        self, name: str, data_dir: Path, shape: tuple[int, ...], keys: int, splits: Mapping[str, Sequence[Pieces]]
    ) -> None:
        self.name = name  # pyright: ignore[reportAttributeAccessIssue]  (what TFDS's own AdhocBuilder does)
        self._shape, self._keys, self._splits = shape, keys, splits
        super().__init__(data_dir=str(data_dir), file_format="array_record")

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features.FeaturesDict(
            {
                "frames": tfds.features.Tensor(shape=self._shape, dtype=np.uint8, encoding="zlib"),
                "keys": tfds.features.Tensor(shape=(self._shape[0], self._keys), dtype=np.bool_, encoding="zlib"),
            }
        )
        # Shuffling is the reader's task.
        return tfds.core.DatasetInfo(builder=self, description=_DESCRIPTION, features=features, disable_shuffling=True)

    def shards(self) -> dict[str, list[Shard]]:
        return {split: [partial(_examples, pieces) for pieces in shards] for split, shards in self._splits.items()}


def _examples(pieces: Pieces) -> Iterable[dict[str, Any]]:
    return ({"frames": piece.frames, "keys": piece.keys} for piece in pieces())


def write(
    name: str,
    data_dir: Path,
    shape: tuple[int, ...],
    keys: int,
    splits: Mapping[str, Sequence[Pieces]],
    progress: Progress = silent,
) -> None:
    """Write the shards of each split, none empty, to `data_dir/name/1.0.0`, which appears when it is complete.

    shape: of the frames of a piece, `(T, H, W, 3)`.
    """
    prepare(RecordedPieces(name, data_dir, shape, keys, splits), progress)


def records(name: str, data_dir: Path, shape: tuple[int, ...], keys: int, split: str) -> Sequence[dict[str, Any]]:
    """Return the records of a split that `write` wrote, by random access; RequestError when the set is damaged."""
    try:
        builder = RecordedPieces(name, data_dir, shape, keys, {})
        return builder.as_data_source(split)  # pyright: ignore[reportCallIssue]  (TFDS hides the parameters)
    except Exception as error:  # TFDS, protobuf and ArrayRecord say in many ways that a file is damaged
        raise RequestError(f"{data_dir / name / VERSION} is damaged ({reason(error)}); build the set again") from error
