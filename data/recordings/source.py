"""Sets of recordings: their pieces by index, with the keys of each frame.

Comes in: the folder of a built set, a split. Goes out: a `ClipSource`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from reelm.cores import cores
from reelm.data.clips import CaptionedClip, ShapeRun
from reelm.errors import RequestError
from reelm.progress import Progress, silent
from reelm.storage.home import datasets_folder

from .build import BUILD_FILE, Recorded, open_built, write
from .crafter import TILE
from .mosaics import mosaics, tiles_of
from .recording import Recording

_STEPS, _LANDS = 1024, 8  # frames that are played in a land; lands in a shard
_MOSAICS = (("train", 60), ("test", 8))  # pieces of each split
_TEST_SEED = 1_000_000  # the first land of the test split; training has those from 0 on


@dataclass(frozen=True, eq=False)
class RecordedClips:
    """The pieces of one split, cut to `num_frames` frames."""

    name: str
    split: str
    num_frames: int
    num_clips: int
    recorded: Recorded
    records: Sequence[dict[str, Any]]

    @property
    def description(self) -> dict[str, Any]:
        what = {"dataset": self.name, "split": self.split, "num_frames": self.num_frames}
        return {**what, "keys": list(self.recorded.key_names), "keys_at_once": self.recorded.at_once}

    @property
    def shapes(self) -> tuple[ShapeRun, ...]:
        return (ShapeRun(self.num_clips, self.num_frames, *self.recorded.shape[1:]),)

    def __len__(self) -> int:
        return self.num_clips

    def __getitem__(self, index: int) -> CaptionedClip:
        if not 0 <= index < self.num_clips:
            raise IndexError(f"clip {index} of {self.num_clips}")
        record = self.records[int(index)]
        return {
            "video": record["frames"][: self.num_frames],
            "captions": ("",),
            "fps": self.recorded.fps,
            "keys": record["keys"][: self.num_frames],
        }


@dataclass(frozen=True)
class RecordedSet:
    """A set of recordings in a folder."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def summary(self) -> str:
        made = self._made
        counts = ", ".join(f"{count} in {split}" for split, count in made.splits.items())
        shape = "x".join(map(str, made.shape))
        return f"{made.source}, keys {' '.join(made.key_names)}; clips: {counts}; of {shape}; in {self.folder}"

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self._made.splits)

    @property
    def held_back(self) -> str:
        return "test" if "test" in self.splits else "train"

    def open(self, split: str, *, num_frames: int | None = None, num_clips: int | None = None) -> RecordedClips:
        """Open the first pieces of a split; see `DataSet.open`."""
        from . import tfds  # it takes a second to import

        made = self._made
        count, frames = made.splits[split], made.shape[0]
        if (num_clips or 1) > count or (num_frames or 1) > frames:
            raise RequestError(
                f"{self.folder} has {count} clips of {frames} frames in {split}, not {num_clips or 1} of "
                f"{num_frames or 1}"
            )
        records = tfds.records(self.name, self.folder.parent, (*made.shape, 3), len(made.key_names), split)
        return RecordedClips(self.name, split, num_frames or frames, num_clips or count, made, records)

    @cached_property
    def _made(self) -> Recorded:
        return open_built(self.folder)


@dataclass(frozen=True)
class CrafterSet:
    """Recordings of Crafter, played when the set is built. Needs the extra `worlds`.

    data_dir: folder of built sets. Default: `$REELM_HOME/datasets`.
    config: None; there is one configuration.
    """

    name = "crafter"
    summary = "recordings of the game Crafter with their keys, 72x72 pixels at 10 frames a second, played when built"
    splits = ("train", "test")
    held_back = "test"
    drawn = False

    data_dir: Path | None = None
    config: str | None = None

    def open(self, split: str, *, num_frames: int | None = None, num_clips: int | None = None) -> RecordedClips:
        """Open the first pieces of a split; see `DataSet.open`."""
        return _there(self.name, self.data_dir).open(split, num_frames=num_frames, num_clips=num_clips)

    def build(self, *, packages: Path | None = None, episodes: int | None = None, progress: Progress = silent) -> Path:
        """Play so many lands (None: 128), and one more for each 16 of them that is for the test split.

        A set that is there stays as it is.
        """
        _check_plain(self.name, self.config, packages)
        folder = (self.data_dir or datasets_folder()) / self.name
        if (folder / BUILD_FILE).is_file():
            return folder
        from .players import play

        lands = 128 if episodes is None else episodes
        if lands < 1:
            raise RequestError(f"episodes is {lands}; it must be at least 1")
        first = play(0, 2)[0]
        with ProcessPoolExecutor(cores(), get_context("spawn")) as pool:

            def shards(first: int, count: int) -> list[Callable[[], Iterable[Recording]]]:
                seeds = range(first, first + count)
                return [partial(_played, pool, seeds[at : at + _LANDS]) for at in range(0, count, _LANDS)]

            splits = {"train": shards(0, lands), "test": shards(_TEST_SEED, -(-lands // 16))}
            return write(self.name, folder.parent, "Crafter", first, splits, progress=progress)


@dataclass(frozen=True)
class CrafterTilesSet:
    """Mosaics of the tiles of Crafter, for a tokenizer that must know the rare ones, too; see `mosaics.py`.

    data_dir: folder of built sets, which holds `crafter`. Default: `$REELM_HOME/datasets`.
    config: None; there is one configuration.
    """

    name = "crafter_tiles"
    summary = "mosaics of the tiles of Crafter, each kind as often as any other, made of the built set crafter"
    splits = ("train", "test")
    held_back = "test"
    drawn = False

    data_dir: Path | None = None
    config: str | None = None

    def open(self, split: str, *, num_frames: int | None = None, num_clips: int | None = None) -> RecordedClips:
        """Open the first pieces of a split; see `DataSet.open`."""
        return _there(self.name, self.data_dir).open(split, num_frames=num_frames, num_clips=num_clips)

    def build(self, *, packages: Path | None = None, progress: Progress = silent) -> Path:
        """Write the set from the training split of `crafter`; see `BuildableSet.build`."""
        _check_plain(self.name, self.config, packages)
        folder = (self.data_dir or datasets_folder()) / self.name
        if (folder / BUILD_FILE).is_file():
            return folder
        source = CrafterSet(self.data_dir).open("train")
        tiles = tiles_of((clip["video"] for clip in map(source.__getitem__, range(len(source)))), TILE)
        clip = source[0]
        assert "keys" in clip
        like = Recording(clip["video"], clip["keys"], source.recorded.key_names, source.recorded.fps)
        splits = {split: [partial(mosaics, tiles, like, count, seed)] for seed, (split, count) in enumerate(_MOSAICS)}
        return write(self.name, folder.parent, "mosaics of the tiles of Crafter", like, splits, progress=progress)


def _there(name: str, data_dir: Path | None) -> RecordedSet:
    """Return a set that was built; RequestError when it was not."""
    folder = (data_dir or datasets_folder()) / name
    if not (folder / BUILD_FILE).is_file():
        raise RequestError(f"no {name} in {folder.parent}; build it there first (reelm data build {name})")
    return RecordedSet(folder)


def _check_plain(name: str, config: str | None, packages: Path | None) -> None:
    if config is not None:
        raise RequestError(f"{name} has one configuration, not {config!r}; leave the size out")
    if packages is not None:
        raise RequestError(f"{name} is made from no packages; leave them out")


def _played(pool: ProcessPoolExecutor, seeds: range) -> Iterator[Recording]:
    """Yield the recordings of lands, which are played side by side."""
    from .players import play

    for lives in pool.map(partial(play, steps=_STEPS), seeds):
        yield from lives
