"""Write TFDS data sets shard by shard, each example once, with the same bytes every time.

In: for every split the examples of each of its shards. Out: ArrayRecord files that any TFDS or Grain reader opens with
random access. Knows nothing of what the examples hold. Only one example is in memory at a time. TFDS's own
`GeneratorBasedBuilder` would hold a whole split, and need TensorFlow to sort one of more than 1,000 MiB.
"""

import abc
import contextlib
import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from etils import epath
from tensorflow_datasets.core import writer
from tensorflow_datasets.proto import tf_example_pb2

from reelm.progress import Progress, silent

Shard = Callable[[], Iterable[dict[str, Any]]]


class ShardedBuilder(tfds.core.ShardBasedBuilder, skip_registration=True):
    """A builder that keeps the order of `shards`."""

    # TFDS looks this up through importlib_resources, which it does not require, so an install may lack it.
    code_path = epath.Path(__file__)

    progress: Progress = staticmethod(silent)

    @abc.abstractmethod
    def shards(self) -> Mapping[str, Sequence[Shard]]:
        """Return the shards of each split, by its name. Each is called once, and its examples are freed once written.

        No shard may be empty.
        """

    def _shard_iterators_per_split(self, dl_manager: tfds.download.DownloadManager) -> Any:
        del dl_manager  # nothing is downloaded
        splits = self.shards()
        total, done = sum(map(len, splits.values())), itertools.count(1)

        def reported(shard: Shard) -> Iterator[tuple[int, dict[str, Any]]]:
            yield from _one_by_one(shard)
            self.progress(next(done), total)

        return {split: [partial(reported, shard) for shard in shards] for split, shards in splits.items()}

    def _example_writer(self) -> writer.ExampleWriter:
        assert self.info.file_format is not None  # it was given to the constructor
        return _SameBytes(self.info.file_format)


class FieldsBuilder(ShardedBuilder, skip_registration=True):
    """The builder of a set of any name. `info` holds arguments of `tfds.core.DatasetInfo`."""

    def __init__(
        self,
        name: str,
        data_dir: Path,
        splits: Mapping[str, Sequence[Shard]],
        *,
        version: str,
        config: str | None,
        info: Mapping[str, Any],
    ) -> None:
        self.name = name  # pyright: ignore[reportAttributeAccessIssue]  (what TFDS's own AdhocBuilder does)
        self.VERSION = tfds.core.Version(version)
        self._splits, self._about = splits, info
        configured = config and tfds.core.BuilderConfig(name=config)
        super().__init__(data_dir=str(data_dir), file_format="array_record", config=configured)

    def _info(self) -> tfds.core.DatasetInfo:
        # Shuffling is the reader's task.
        return tfds.core.DatasetInfo(builder=self, disable_shuffling=True, **self._about)

    def shards(self) -> Mapping[str, Sequence[Shard]]:
        return self._splits


def prepare(builder: ShardedBuilder, progress: Progress = silent) -> Path:
    """Write the set, unless it is there, and return its folder, which appears when the set is complete."""
    builder.progress = progress
    tfds.disable_progress_bar()
    # TFDS announces downloads on standard output, which is for results.
    with contextlib.redirect_stdout(io.StringIO()):
        builder.download_and_prepare()
    return Path(builder.data_path)


def _one_by_one(shard: Shard) -> Iterator[tuple[int, dict[str, Any]]]:
    for index, example in enumerate(shard()):
        yield index, example
        # It is written by now, but TFDS keeps the examples of a shard to its end, to count them.
        example.clear()


class _SameBytes(writer.ExampleWriter):
    """Writes the fields of records in the order of their names, because protobuf's own order differs between runs."""

    def write(self, path: Any, examples: Iterable[tuple[Any, bytes]]) -> Any:
        example: Any = tf_example_pb2.Example  # pyright: ignore[reportAttributeAccessIssue]  (made when imported)
        in_order = ((key, example.FromString(record).SerializeToString(deterministic=True)) for key, record in examples)
        return super().write(path, in_order)
