"""Build a data set from recordings: from a folder, or played for the set.

In: recordings of one size, rate and set of keys. Out, in `data_dir/NAME`:

    1.0.0/            the data set, as TFDS lays it out
    recordings.json   names of the keys, rate, and number of pieces of each split
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from reelm.data.clips import check_name
from reelm.data.stored_set import Array, StoredSet
from reelm.errors import RequestError
from reelm.progress import Progress, silent
from reelm.storage.atomic import write_json
from reelm.storage.fields import check_format, parsed, read_json

from .recording import SUFFIX, Recording

BUILD_FILE = "recordings.json"
FRAMES = 64  # of a piece, at most
_FORMAT = 1
_TEST = 20  # one of so many recordings is for the test split
_ABOUT = """ Pieces of recordings of a game, all of one length and size. "frames" are its pictures, "keys" say
which keys were held while each of them came to be. All pieces of one recording are in one split.
"""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """The fields of `recordings.json`.

    Attributes:
        source: description of what was recorded, for people.
        key_names: names of the keys.
        at_once: most keys that were held at once.
        fps: frames a second.
        shape: of the frames of a piece, `(T, H, W)`.
        splits: number of pieces of each split.
    """

    source: str
    key_names: tuple[str, ...]
    at_once: int
    fps: float
    shape: tuple[int, int, int]
    splits: Mapping[str, int]

    def __post_init__(self) -> None:
        if not self.key_names or min(*self.shape, self.at_once, *self.splits.values()) < 1 or not self.splits:
            raise RequestError("a set has keys, frames and pieces in every split")


class Counted:
    """Counts the pieces of recordings while they are written, and checks that all are alike."""

    def __init__(self, frames: int) -> None:
        self.frames, self.pieces, self.at_once = frames, dict[str, int](), 1
        self._first: Recording | None = None

    def pieces_of(self, split: str, recordings: Callable[[], Iterable[Recording]]) -> Iterable[dict[str, Any]]:
        """Yield the pieces of recordings as examples; RequestError when one is not like the first."""
        for recording in recordings():
            self.check(recording)
            for piece in recording.cut(self.frames):
                self.pieces[split] = self.pieces.get(split, 0) + 1
                self.at_once = max(self.at_once, int(piece.keys[1:].sum(axis=1).max()))
                yield {"frames": piece.frames, "keys": piece.keys}

    def check(self, recording: Recording) -> None:
        """Compare a recording with the first one."""
        first = self._first = self._first or recording
        for what, one, other in (
            ("frames of", first.frames.shape[1:3], recording.frames.shape[1:3]),
            ("the keys", first.key_names, recording.key_names),
            ("a rate of", first.fps, recording.fps),
        ):
            if one != other:
                raise RequestError(f"a recording has {what} {other}, the first one {one}; one set has one of them")


def write(
    name: str,
    data_dir: Path,
    source: str,
    first: Recording,
    splits: Mapping[str, Sequence[Callable[[], Iterable[Recording]]]],
    *,
    frames: int = FRAMES,
    progress: Progress = silent,
) -> Path:
    """Write a set, each shard from a function that gives its recordings, and return its folder.

    first: any of the recordings; all others must be like it.
    """
    counted = Counted(frames)
    counted.check(first)
    shards = {
        split: [partial(counted.pieces_of, split, recordings) for recordings in each] for split, each in splits.items()
    }
    shape = (frames, *first.frames.shape[1:3])
    stored(name, data_dir, shape, len(first.key_names)).write(shards, progress)
    made = Recorded(
        source=source,
        key_names=first.key_names,
        at_once=counted.at_once,
        fps=first.fps,
        shape=shape,
        splits=counted.pieces,
    )
    write_json(data_dir / name / BUILD_FILE, {"format": _FORMAT, **asdict(made)})
    return data_dir / name


def stored(name: str, data_dir: Path, shape: tuple[int, int, int], keys: int) -> StoredSet:
    """Return the set of a name on disk; its pieces have frames of `shape` `(T, H, W)` and a number of keys."""
    fields = {"frames": Array((*shape, 3), np.uint8), "keys": Array((shape[0], keys), np.bool_)}
    return StoredSet(name=name, data_dir=data_dir, version="1.0.0", fields=fields, about=_ABOUT)


def open_built(folder: Path) -> Recorded:
    """Return the content of a set's `recordings.json`; RequestError when it is damaged."""
    path = folder / BUILD_FILE
    return parsed(Recorded, check_format(read_json(path), _FORMAT, str(path)), str(path))


def holds_recordings(folder: Path) -> bool:
    """Return whether a folder holds recordings, to be built into a set."""
    return any(folder.glob(f"*{SUFFIX}"))


def import_folder(folder: Path, name: str, data_dir: Path, progress: Progress = silent) -> Path:
    """Build a set from a folder of recordings and return its folder. One of 20 recordings is for the test split.

    RequestError when the name is not allowed or taken, or the recordings are not alike or too few.
    """
    check_name(name)
    if (data_dir / name).exists():
        raise RequestError(f"{data_dir / name} exists already; choose another name (--name)")
    files = sorted(folder.glob(f"*{SUFFIX}"))
    lengths = list(map(Recording.length_of, files))
    frames = min(FRAMES, max(lengths))
    long = [file for file, length in zip(files, lengths, strict=True) if length >= frames]
    if len(long) < 2:
        raise RequestError(f"{folder} has {len(long)} recordings of {frames} frames or more; a set needs two")
    splits = {"test": long[::_TEST], "train": [file for i, file in enumerate(long) if i % _TEST]}

    def shards(files: Sequence[Path]) -> list[Callable[[], Iterable[Recording]]]:
        return [partial(_opened, files[at : at + 64]) for at in range(0, len(files), 64)]

    return write(
        name,
        data_dir,
        f"recordings of {folder.name}",
        Recording.open(long[0]),
        {split: shards(each) for split, each in splits.items()},
        frames=frames,
        progress=progress,
    )


def _opened(files: Sequence[Path]) -> Iterable[Recording]:
    return (Recording.open(file) for file in files)
