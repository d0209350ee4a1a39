"""A folder's clips as a TFDS data set, which any reader of TFDS opens without this package and without TensorFlow.

Comes in: clips, shard by shard of each split, in the order in which they are to stand. Goes out: ArrayRecord files with
random access. Knows nothing of where the clips come from.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from reelm.data.sharded_tfds import Shard, ShardedBuilder, prepare
from reelm.data.stored_clip import StoredClip
from reelm.errors import RequestError, reason

_VERSION = "2.0.0"

_DESCRIPTION = """ Clips cut from a folder of videos by reelm: one shot each, at an even frame rate, in a few sizes and
lengths that stand one after another. "video" is an mp4 (H.264, 4:4:4) as bytes, for PyAV, imageio or FFmpeg; "audio" is
16-bit sound of one channel that lasts as long, empty where the source has none. "source", "start" (seconds) and "shot"
say where a clip comes from; all clips of one source are in one split.
"""


class FolderClips(ShardedBuilder, skip_registration=True):
    """The TFDS builder. Readers of the set need its folder alone."""

    VERSION = tfds.core.Version(_VERSION)
    RELEASE_NOTES = {_VERSION: "Several captions of a clip."}

    def __init__(self, name: str, data_dir: Path, splits: Mapping[str, Sequence[Iterable[StoredClip]]]) -> None:
        self.name = name  # pyright: ignore[reportAttributeAccessIssue]  (what TFDS's own AdhocBuilder does)
        self._splits = splits
        super().__init__(data_dir=str(data_dir), file_format="array_record")

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features.FeaturesDict(
            {
                "video": tfds.features.Tensor(shape=(), dtype=np.object_),
                "audio": tfds.features.Tensor(shape=(None,), dtype=np.int16, encoding="zlib"),
                "sample_rate": tfds.features.Scalar(np.int32),
                "captions": tfds.features.Sequence(tfds.features.Text()),
                "fps": tfds.features.Scalar(np.float32),
                "frames": tfds.features.Scalar(np.int32),
                "height": tfds.features.Scalar(np.int32),
                "width": tfds.features.Scalar(np.int32),
                "source": tfds.features.Text(),
                "start": tfds.features.Scalar(np.float64),
                "shot": tfds.features.Scalar(np.int32),
            }
        )
        # Shuffling is the reader's task: kept in order, clips of one shape stand together.
        return tfds.core.DatasetInfo(builder=self, description=_DESCRIPTION, features=features, disable_shuffling=True)

    def shards(self) -> dict[str, list[Shard]]:
        return {split: [partial(_examples, clips) for clips in shards] for split, shards in self._splits.items()}


def _examples(clips: Iterable[StoredClip]) -> Iterable[dict[str, Any]]:
    return (clip.features() for clip in clips)


def write(name: str, data_dir: Path, splits: Mapping[str, Sequence[Iterable[StoredClip]]]) -> None:
    """Write the shards of each split, none empty, to `data_dir/name/2.0.0`, which appears when it is complete."""
    prepare(FolderClips(name, data_dir, splits))


def records(name: str, data_dir: Path, split: str) -> Sequence[dict[str, Any]]:
    """Return the records of a split that `write` wrote, by random access.

    Raises:
        RequestError: the set is damaged.
    """
    # The features are those above. Those in the folder name Python classes, which TFDS would import.
    try:
        builder = FolderClips(name, data_dir, {})
        return builder.as_data_source(split)  # pyright: ignore[reportCallIssue]  (TFDS hides the parameters)
    except Exception as error:  # TFDS, protobuf and ArrayRecord say in many ways that a file is damaged
        where = data_dir / name / _VERSION
        raise RequestError(f"{where} is damaged ({reason(error)}); build the set again") from error
