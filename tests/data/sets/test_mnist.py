"""Handwritten digits: the shipped part is balanced and real, and the whole set is taken where its files lie."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from reelm.data.moving_digits import mnist
from reelm.errors import RequestError


def write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">i4").tobytes()
    raw = header + array.tobytes()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)


@pytest.fixture
def mnist_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REELM_HOME", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    return tmp_path / "mnist"


@pytest.mark.parametrize(("split", "each"), [("train", 1000), ("test", 200)])
def test_compact_part_is_balanced(split: mnist.Split, each: int) -> None:
    digits = mnist.load(split, "compact")
    assert digits.images.shape == (10 * each, 28, 28)
    assert digits.images.dtype == np.uint8
    assert [len(indices) for indices in digits.of_digit] == [each] * 10
    assert all((digits.labels[indices] == digit).all() for digit, indices in enumerate(digits.of_digit))


def test_compact_splits_share_no_image() -> None:
    train, test = ({image.tobytes() for image in mnist.load(split, "compact").images} for split in ("train", "test"))
    assert not train & test


def test_without_files_the_compact_part_is_taken(mnist_folder: Path) -> None:
    assert mnist.load("train").name == "mnist-compact/train"
    assert mnist.in_words("test") == "compact part of MNIST (2,000 test pictures)"
    with pytest.raises(RequestError, match="no MNIST files"):
        mnist.load("train", "whole")


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_files_are_read_plain_and_gzipped(mnist_folder: Path, suffix: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28), np.uint8)
    labels = np.array([3, 1, 4, 1], np.uint8)
    write_idx(mnist_folder / f"t10k-images-idx3-ubyte{suffix}", images)
    write_idx(mnist_folder / f"t10k-labels-idx1-ubyte{suffix}", labels)
    digits = mnist.load("test")
    assert digits.name == "mnist/test"
    np.testing.assert_array_equal(digits.images, images)
    np.testing.assert_array_equal(digits.labels, labels)
    assert mnist.in_words("test") == "MNIST (4 test pictures)"
    with mnist.drawn_from("compact"):
        assert mnist.load("test").name == "mnist-compact/test"
    assert mnist.load("test") is digits
    assert mnist.load("train").name == "mnist-compact/train"


@pytest.mark.parametrize("damage", ["cut short", "cut in the header", "not IDX", "labels of another set", "not gzip"])
def test_damaged_files_are_refused_in_one_line(mnist_folder: Path, damage: str) -> None:
    suffix = ".gz" if damage == "not gzip" else ""
    images = mnist_folder / f"t10k-images-idx3-ubyte{suffix}"
    write_idx(images, np.zeros((4, 28, 28), np.uint8))
    labels = 5 if damage == "labels of another set" else 4
    write_idx(mnist_folder / f"t10k-labels-idx1-ubyte{suffix}", np.zeros(labels, np.uint8))
    if damage == "cut short":
        images.write_bytes(images.read_bytes()[:-1])
    elif damage == "cut in the header":
        images.write_bytes(images.read_bytes()[:10])
    elif damage in ("not IDX", "not gzip"):
        images.write_bytes(b"<html>moved</html>")
    with pytest.raises(RequestError) as refused:
        mnist.load("test")
    assert "\n" not in str(refused.value)


def test_shared_arrays_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        mnist.load("test", "compact").images[0] = 0
