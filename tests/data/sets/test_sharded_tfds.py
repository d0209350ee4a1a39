"""Data sets written shard by shard: in order, the same bytes each time, one example in memory, never by TensorFlow."""

import sys
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import shuffle

from reelm.data.moving_digits import tfds as moving_digits_tfds
from reelm.data.sharded_tfds import Shard, ShardedBuilder, prepare

LENGTHS = {"train": (3, 1, 4), "test": (2,)}


class Value(np.ndarray):
    """An array that can be watched."""


class Numbers(ShardedBuilder, skip_registration=True):
    """Record i of a split is i, and ten times it."""

    VERSION = tfds.core.Version("1.0.0")
    yielded: list[weakref.ref] = []
    most = 0  # of the examples that were yielded, in memory at a time

    def _info(self) -> tfds.core.DatasetInfo:
        features = {"zeros": tfds.features.Tensor(shape=(None,), dtype=np.int64), "tens": tfds.features.Text()}
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
        )

    def shards(self) -> dict[str, list[Shard]]:
        def of_split(lengths: tuple[int, ...]) -> list[Shard]:
            return [partial(self.examples, sum(lengths[:i]), length) for i, length in enumerate(lengths)]

        return {split: of_split(lengths) for split, lengths in LENGTHS.items()}

    def examples(self, first: int, length: int) -> Iterator[dict]:
        for number in range(first, first + length):
            value = np.zeros(number, np.int64).view(Value)
            self.yielded.append(weakref.ref(value))
            type(self).most = max(self.most, sum(each() is not None for each in self.yielded))
            yield {"zeros": value, "tens": str(10 * number)}
            del value


def write(data_dir: Path, **options) -> Path:
    return prepare(Numbers(data_dir=str(data_dir), file_format="array_record"), **options)


def records(folder: Path, split: str) -> Any:
    builder = tfds.builder_from_directory(str(folder))
    return builder.as_data_source(split)  # pyright: ignore[reportCallIssue]  (a decorator of TFDS hides the parameters)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_records_stand_in_the_order_in_which_they_came(tmp_path, monkeypatch):
    # However much there is: TFDS's shuffler takes to TensorFlow beyond this many bytes.
    monkeypatch.setattr(shuffle, "MAX_MEM_BUFFER_SIZE", 0)
    done = []
    folder = write(tmp_path, progress=lambda *each: done.append(each))
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert len(list(folder.glob("*.array_record-*"))) == 4
    builder = tfds.builder_from_directory(str(folder))
    for split, lengths in LENGTHS.items():
        assert builder.info.splits[split].shard_lengths == list(lengths)
        source = records(folder, split)
        assert [len(source[index]["zeros"]) for index in range(len(source))] == list(range(sum(lengths)))
        assert source[1]["tens"] == b"10"
    assert "tensorflow" not in sys.modules


def test_it_is_the_same_bytes_each_time_and_one_example_at_a_time(tmp_path):
    first, second = write(tmp_path / "one"), write(tmp_path / "two")
    assert contents(first) == contents(second)
    assert Numbers.most <= 2


def test_what_is_there_is_not_written_again(tmp_path):
    folder = write(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert write(tmp_path, progress=lambda *_: 1 / 0) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_digits_in_several_files_are_those_in_one(tmp_path, monkeypatch):
    one = moving_digits_tfds.build("moving_digits", tmp_path / "one", "tiny")
    monkeypatch.setattr(moving_digits_tfds, "_SHARD", 8)
    several = moving_digits_tfds.build("moving_digits", tmp_path / "several", "tiny")
    assert len(list(several.glob("*-train.*"))) == 3
    whole, cut = (records(folder, "train") for folder in (one, several))
    assert len(whole) == len(cut) == 20
    assert all(np.array_equal(whole[index]["video"], cut[index]["video"]) for index in range(20))
