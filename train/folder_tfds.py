"""A folder's clips as a TFDS data set, which any reader of TFDS opens without this package and without TensorFlow.

Comes in: clips, split by split in the order in which they are to stand. Goes out: ArrayRecord files with random access.
Knows nothing of where the clips come from.
"""

import contextlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from etils import epath
from tensorflow_datasets.core import writer
from tensorflow_datasets.proto import tf_example_pb2

from .stored_clip import StoredClip

_VERSION = "1.0.0"

_DESCRIPTION = """ Clips cut from a folder of videos by reelm: one shot each, at an even frame rate, in a few sizes and
lengths that stand one after another. "video" is an mp4 (H.264, 4:4:4) as bytes, for PyAV, imageio or FFmpeg; "audio" is
16-bit sound of one channel that lasts as long, empty where the source has none. "source", "start" (seconds) and "shot"
say where a clip comes from; all clips of one source are in one split.
"""


class FolderClips(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """The builder. Written once; readers need nothing but the folder that it leaves."""

    VERSION = tfds.core.Version(_VERSION)
    RELEASE_NOTES = {_VERSION: "Built."}
    # TFDS looks this up through importlib_resources, which it does not require, so an install may lack it.
    code_path = epath.Path(__file__)

    def __init__(self, name: str, data_dir: Path, splits: Mapping[str, Iterable[StoredClip]]) -> None:
        self.name = name  # pyright: ignore[reportAttributeAccessIssue]  (what TFDS's own AdhocBuilder does)
        self._splits = splits
        super().__init__(data_dir=str(data_dir), file_format="array_record")

    def _example_writer(self) -> writer.ExampleWriter:
        assert self.info.file_format is not None  # it was given to the constructor
        return _SameBytes(self.info.file_format)

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features.FeaturesDict(
            {
                "video": tfds.features.Tensor(shape=(), dtype=np.object_),
                "audio": tfds.features.Tensor(shape=(None,), dtype=np.int16, encoding="zlib"),
                "sample_rate": tfds.features.Scalar(np.int32),
                "caption": tfds.features.Text(),
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

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator[Any]]:
        del dl_manager
        return {split: self._generate_examples(clips) for split, clips in self._splits.items()}

    def _generate_examples(self, clips: Iterable[StoredClip]) -> Iterator[tuple[int, dict[str, Any]]]:
        return ((index, clip.features()) for index, clip in enumerate(clips))


class _SameBytes(writer.ExampleWriter):
    """Writes records whose fields stand in the order of their names; protobuf's own order differs from run to run."""

    def write(self, path: Any, examples: Iterable[tuple[Any, bytes]]) -> Any:
        example: Any = tf_example_pb2.Example  # pyright: ignore[reportAttributeAccessIssue]  (made when imported)
        in_order = ((key, example.FromString(record).SerializeToString(deterministic=True)) for key, record in examples)
        return super().write(path, in_order)


def write(name: str, data_dir: Path, splits: Mapping[str, Iterable[StoredClip]]) -> None:
    """Writes `data_dir/name/1.0.0`, which appears by one rename when it is whole."""
    tfds.disable_progress_bar()
    # TFDS announces on standard output, which belongs to results, that it is about to download.
    with contextlib.redirect_stdout(io.StringIO()):
        FolderClips(name, data_dir, splits).download_and_prepare()


def records(name: str, data_dir: Path, split: str) -> Sequence[dict[str, Any]]:
    """Random access to the records of a split that `write` wrote."""
    builder = tfds.builder_from_directory(str(data_dir / name / _VERSION))
    return builder.as_data_source(split)  # pyright: ignore[reportCallIssue]  (a decorator of TFDS hides the parameters)
