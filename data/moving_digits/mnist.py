"""MNIST digits as arrays: the whole set where its files are found, else the compact part that ships with the package.

Comes in: the four IDX files of MNIST (plain or gzipped) in `$REELM_HOME/mnist`, `~/.cache/reelm/mnist` by default.
Goes out: a `DigitSet`. Knows nothing of video. MNIST is the work of Yann LeCun and Corinna Cortes, CC BY-SA 3.0
(see `MNIST_LICENSE.txt`). `python -m reelm.data.moving_digits.mnist` cuts the compact part out of the whole set again.
"""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from reelm.errors import RequestError
from reelm.storage.arrays import write_arrays
from reelm.storage.home import home

Split = Literal["train", "test"]
Source = Literal["auto", "whole", "compact"]

COMPACT_FILE = Path(__file__).with_name("mnist_compact.npz")
COMPACT_PER_DIGIT: dict[Split, int] = {"train": 1000, "test": 200}

_chosen: ContextVar[Source] = ContextVar("digits", default="auto")

_FILE_PREFIX: dict[Split, str] = {"train": "train", "test": "t10k"}


@dataclass(frozen=True, eq=False)
class DigitSet:
    """Handwritten digits: images uint8[N, 28, 28] (0 is background), labels uint8[N] (0 to 9).

    `name` says which set this is ("mnist/train", "mnist-compact/test"): clips drawn from different sets differ.
    """

    name: str
    images: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)

    @cached_property
    def of_digit(self) -> tuple[np.ndarray, ...]:
        """For each digit 0 to 9 the indices of its images, int[N_digit]."""
        return tuple(np.flatnonzero(self.labels == digit) for digit in range(10))


def folder() -> Path:
    """Return the folder in which the whole of MNIST is searched."""
    return home() / "mnist"


@contextmanager
def drawn_from(source: Source) -> Iterator[None]:
    """Within, what asks for the digits of "auto" gets those of `source`."""
    token = _chosen.set(source)
    try:
        yield
    finally:
        _chosen.reset(token)


def in_words(split: Split) -> str:
    """Return which digits "auto" is, for people who read figures: "compact part of MNIST (2,000 test pictures)"."""
    digits = load(split)
    part = "compact part of MNIST" if digits.name.startswith("mnist-compact") else "MNIST"
    return f"{part} ({len(digits.images):,} {split} pictures)"


def load(split: Split, source: Source = "auto") -> DigitSet:
    """Return the digits of one split.

    "auto" takes what `drawn_from` says, else the whole set (60,000 train, 10,000 test) when its files are in
    `folder()`, else the compact part (10,000 train, 2,000 test, balanced). RequestError when "whole" is asked for and
    absent, or a file is damaged.
    """
    source = _chosen.get() if source == "auto" else source
    if source == "compact" or (source == "auto" and _find(folder(), split) is None):
        return _load_compact(split)
    return _load_whole(folder(), split)


@cache
def _load_compact(split: Split) -> DigitSet:
    with np.load(COMPACT_FILE, allow_pickle=False) as arrays:
        return _frozen(f"mnist-compact/{split}", arrays[f"{split}_images"], arrays[f"{split}_labels"])


@cache
def _load_whole(directory: Path, split: Split) -> DigitSet:
    paths = _find(directory, split)
    if paths is None:
        wanted = f"{_FILE_PREFIX[split]}-images-idx3-ubyte[.gz] and {_FILE_PREFIX[split]}-labels-idx1-ubyte[.gz]"
        raise RequestError(f"no MNIST files in {directory}; put {wanted} there, or use the compact part")
    images, labels = (_read_idx(path, rank) for path, rank in zip(paths, (3, 1), strict=True))
    if images.shape != (len(labels), 28, 28) or (len(labels) and labels.max() > 9):
        raise RequestError(f"{paths[0]} and {paths[1]} do not belong together; put the files of MNIST there")
    return _frozen(f"mnist/{split}", images, labels)


def _frozen(name: str, images: np.ndarray, labels: np.ndarray) -> DigitSet:
    # Every caller shares the cached arrays, so nobody may write to them.
    images.flags.writeable = labels.flags.writeable = False
    return DigitSet(name, images, labels)


def _find(directory: Path, split: Split) -> tuple[Path, Path] | None:
    prefix = _FILE_PREFIX[split]
    for suffix in ("", ".gz"):
        images, labels = (directory / f"{prefix}-{part}-ubyte{suffix}" for part in ("images-idx3", "labels-idx1"))
        if images.is_file() and labels.is_file():
            return images, labels
    return None


def _read_idx(path: Path, rank: int) -> np.ndarray:
    """One IDX file of bytes: two zeros, type 8 (uint8), rank, `rank` big-endian int32 sizes, the values."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise RequestError(f"cannot read {path}: {error}; download the file again") from error
    header = 4 + 4 * rank
    if raw[:4] != bytes((0, 0, 8, rank)) or len(raw) < header:
        raise RequestError(f"{path} is no IDX file of {rank}-dimensional bytes; download MNIST again")
    shape = tuple(int(size) for size in np.frombuffer(raw, ">i4", rank, offset=4))
    if len(raw) - header != np.prod(shape):
        raise RequestError(f"{path} holds {len(raw) - header} values where {np.prod(shape)} belong; download it again")
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape).copy()


def write_compact(path: Path = COMPACT_FILE) -> None:
    """Cuts the compact part out of the whole set: equally many of every digit, spread evenly over the set's order."""
    arrays: dict[str, Any] = {}
    for split, count in COMPACT_PER_DIGIT.items():
        digits = load(split, "whole")
        chosen = np.sort(np.concatenate([of[np.arange(count) * len(of) // count] for of in digits.of_digit]))
        arrays[f"{split}_images"] = digits.images[chosen]
        arrays[f"{split}_labels"] = digits.labels[chosen]
    write_arrays(path, arrays)


if __name__ == "__main__":
    write_compact()
