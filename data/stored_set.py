"""Data sets on disk: the fields of their records, and their clips by index.

In: for every split the examples of each of its shards; later a function that makes a clip of a record. Out: TFDS files,
which any TFDS or Grain reader opens without this package, and a `ClipSource`. Each set defines what its examples show,
and how a record becomes a clip.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from reelm.errors import RequestError, reason
from reelm.progress import Progress, silent

from .clips import CaptionedClip, ShapeRun

if TYPE_CHECKING:
    from .sharded_tfds import Shard, ShardedBuilder

Record = Mapping[str, Any]


class Array(NamedTuple):
    """A field that holds an array, compressed. Lengths that differ from record to record are None."""

    shape: tuple[int | None, ...]
    dtype: type


@dataclass(frozen=True, kw_only=True)
class StoredSet:
    """A set in the folder `data_dir/name[/config]/version`. TFDS takes a second to import, so only use imports it.

    Attributes:
        fields: of a record by name, each `bytes`, `str`, `tuple[str, ...]`, a scalar type of NumPy or an `Array`.
        about: description of the set, for people.
        licence: of its content; None if `about` states it, or it is unknown.
    """

    name: str
    data_dir: Path
    version: str
    fields: Mapping[str, Any]
    about: str
    config: str | None = None
    licence: str | None = None

    def write(self, splits: Mapping[str, "Sequence[Shard]"], progress: Progress = silent) -> Path:
        """Write the shards of each split, none empty, and return the folder, which appears when it is complete.

        An existing set stays as it is. progress: called with the shards written and the number of shards.
        """
        from .sharded_tfds import prepare

        return prepare(self._builder(splits), progress)

    @property
    def is_written(self) -> bool:
        """Whether the set exists."""
        return self._builder({}).is_prepared()

    def records(self, split: str) -> Sequence[dict[str, Any]]:
        """Return the records of a split, by random access; RequestError when the set is damaged."""
        # The features are those of `fields`. Those in the folder name Python classes, which TFDS would import.
        try:
            return self._builder({}).as_data_source(split)  # pyright: ignore[reportCallIssue]  (TFDS hides the parameters)
        except Exception as error:  # TFDS, protobuf and ArrayRecord raise many types of errors for a damaged file
            where = self.data_dir / self.name / (self.config or "") / self.version
            raise RequestError(f"{where} is damaged ({reason(error)}); build the set again") from error

    def _builder(self, splits: Mapping[str, "Sequence[Shard]"]) -> "ShardedBuilder":
        import tensorflow_datasets as tfds

        from .sharded_tfds import FieldsBuilder

        of_types = {
            bytes: lambda: tfds.features.Tensor(shape=(), dtype=np.object_),
            str: tfds.features.Text,
            tuple[str, ...]: lambda: tfds.features.Sequence(tfds.features.Text()),
        }

        def feature(field: Any) -> Any:
            if isinstance(field, Array):
                return tfds.features.Tensor(shape=field.shape, dtype=field.dtype, encoding="zlib")
            return of_types[field]() if field in of_types else tfds.features.Scalar(field)

        return FieldsBuilder(
            self.name,
            self.data_dir,
            splits,
            version=self.version,
            config=self.config,
            info={
                "features": tfds.features.FeaturesDict({name: feature(field) for name, field in self.fields.items()}),
                "description": self.about,
                "license": self.licence,
            },
        )


@dataclass(frozen=True, eq=False)
class StoredClips:
    """The clips of one split, ordered by shape and cut to the frames in `shapes`.

    Attributes:
        description: see `ClipSource`.
        shapes: the shapes of all clips, in order.
        firsts: numbers of the records at which the runs of `shapes` begin.
        records: of the split.
        read: makes a clip from a record and a number of frames.
    """

    description: dict[str, Any]
    shapes: tuple[ShapeRun, ...]
    firsts: tuple[int, ...]
    records: Sequence[Record]
    read: Callable[[Record, int], CaptionedClip]

    def __len__(self) -> int:
        return sum(run.clips for run in self.shapes)

    def __getitem__(self, index: int) -> CaptionedClip:
        number, frames = self.place(index)
        try:
            return self.read(self.records[number], frames)
        except Exception as error:  # ArrayRecord, protobuf and FFmpeg raise many types of errors for a damaged record
            name = self.description["dataset"]
            raise RequestError(
                f"record {number} of {name} is damaged ({reason(error)}); build the set again"
            ) from error

    def place(self, index: int) -> tuple[int, int]:
        """Return the number of a clip's record, and how many of its frames are read; IndexError beyond the end."""
        if not 0 <= index < len(self):
            raise IndexError(f"clip {index} of {len(self)}")
        ends = list(accumulate(run.clips for run in self.shapes))
        at = bisect_right(ends, int(index))
        run = self.shapes[at]
        return self.firsts[at] + int(index) - (ends[at] - run.clips), run.frames


def long_enough(
    where: object, split: str, runs: Sequence[ShapeRun], num_frames: int | None, num_clips: int | None
) -> tuple[tuple[ShapeRun, ...], tuple[int, ...]]:
    """Return the shapes of the first clips that are long enough, cut to `num_frames`, and the first record of each.

    Args:
        where: name or folder of the set, for the message.
        split: of the set.
        runs: the shapes of all its records, in order.
        num_frames: of each clip; None for its own length.
        num_clips: number of clips; None for all.

    Raises:
        RequestError: there are fewer clips.
    """
    shapes, firsts, first, left = [], [], 0, num_clips
    for clips, frames, height, width in runs:
        taken = clips if left is None else min(clips, left)
        if taken and frames >= (num_frames or 1):
            shapes.append(ShapeRun(taken, num_frames or frames, height, width))
            firsts.append(first)
            left = None if left is None else left - taken
        first += clips
    found = sum(run.clips for run in shapes)
    if found < (num_clips or 1):
        longest = max(run.frames for run in runs)
        raise RequestError(
            f"{where} has {found} clips of {num_frames or 1} frames or more in {split}, not {num_clips or 1}; "
            f"its longest have {longest}"
        )
    return tuple(shapes), tuple(firsts)


@dataclass(frozen=True, eq=False)
class Reordered(Sequence[Record]):
    """Records in another order: `order` holds the number of each, int `[N]`."""

    records: Sequence[Record]
    order: np.ndarray

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: Any) -> Any:
        return self.records[int(self.order[index])]
