"""The data sets of Crafter: recordings that are played when the set is built, and mosaics of its tiles.

In: the folder of built sets. Out: the pieces of `reelm.data.recordings`, by index.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from reelm.cores import cores
from reelm.data.recordings.build import BUILD_FILE, write
from reelm.data.recordings.recording import Recording
from reelm.data.recordings.source import RecordedSet
from reelm.data.stored_set import StoredClips
from reelm.errors import RequestError
from reelm.progress import Progress, silent
from reelm.storage.home import datasets_folder

from .game import KEYS, TILE
from .mosaics import mosaics, tiles_of

_STEPS, _LANDS = 1024, 8  # frames played in a land; lands in a shard
_MOSAICS = (("train", 60), ("test", 8))  # pieces of each split
_TEST_SEED = 1_000_000  # the first land of the test split; training has those from 0 on


@dataclass(frozen=True)
class _OwnSet(ABC):
    """A set of one configuration that is generated, without packages.

    data_dir: folder of built sets. Default: `$REELM_HOME/datasets`.
    config: None; there is one configuration.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    splits = ("train", "test")
    held_back = "test"
    drawn = False

    data_dir: Path | None = None
    config: str | None = None

    def open(self, split: str, *, num_frames: int | None = None, num_clips: int | None = None) -> StoredClips:
        """Open the first pieces of a split; see `DataSet.open`."""
        if not self._is_built:
            where = self._folder.parent
            raise RequestError(f"no {self.name} in {where}; build it there first (reelm data build {self.name})")
        return RecordedSet(self._folder).open(split, num_frames=num_frames, num_clips=num_clips)

    def build(self, *, packages: Path | None = None, progress: Progress = silent) -> Path:
        """Write the set and return its folder; see `BuildableSet.build`."""
        if self.config is not None:
            raise RequestError(f"{self.name} has one configuration, not {self.config!r}; leave the size out")
        if packages is not None:
            raise RequestError(f"{self.name} needs no packages; leave them out")
        return self._folder if self._is_built else self._write(progress)

    @abstractmethod
    def _write(self, progress: Progress) -> Path: ...

    @property
    def _folder(self) -> Path:
        return (self.data_dir or datasets_folder()) / self.name

    @property
    def _is_built(self) -> bool:
        return (self._folder / BUILD_FILE).is_file()


@dataclass(frozen=True)
class CrafterSet(_OwnSet):
    """Recordings of Crafter, played when the set is built. Needs the extra `worlds`.

    episodes: number of training lands; the test split has one for every 16 of them. Default: 128.
    """

    name = "crafter"
    summary = "recordings of the game Crafter with their keys, 72x72 pixels at 10 frames a second, played when built"

    episodes: int | None = None

    def _write(self, progress: Progress) -> Path:
        from .players import play

        lands = 128 if self.episodes is None else self.episodes
        if lands < 1:
            raise RequestError(f"episodes is {lands}; it must be at least 1")
        first = play(0, 2)[0]
        with ThreadPoolExecutor(cores()) as pool:  # each thread waits for a process

            def shards(first: int, count: int) -> list[Callable[[], Iterable[Recording]]]:
                seeds = range(first, first + count)
                return [partial(_played, pool, seeds[at : at + _LANDS]) for at in range(0, count, _LANDS)]

            splits = {"train": shards(0, lands), "test": shards(_TEST_SEED, -(-lands // 16))}
            return write(self.name, self._folder.parent, "Crafter", first, splits, progress=progress)


@dataclass(frozen=True)
class CrafterTilesSet(_OwnSet):
    """Mosaics of the tiles of Crafter, for a tokenizer that must learn the rare ones too; see `mosaics.py`.

    They are made from the training split of `crafter` in the same folder.
    """

    name = "crafter_tiles"
    summary = "mosaics of the tiles of Crafter, each kind as often as any other, made of the built set crafter"

    def _write(self, progress: Progress) -> Path:
        source = CrafterSet(self.data_dir).open("train")
        tiles = tiles_of((clip["video"] for clip in map(source.__getitem__, range(len(source)))), TILE)
        clip = source[0]
        assert "keys" in clip
        like = Recording(clip["video"], clip["keys"], KEYS, clip["fps"])
        splits = {split: [partial(mosaics, tiles, like, count, seed)] for seed, (split, count) in enumerate(_MOSAICS)}
        about = "mosaics of the tiles of Crafter"
        return write(self.name, self._folder.parent, about, like, splits, progress=progress)


def _played(pool: ThreadPoolExecutor, seeds: range) -> Iterator[Recording]:
    """Yield the recordings of lands, which are played in parallel."""
    from .players import played_apart

    for lives in pool.map(partial(played_apart, steps=_STEPS), seeds):
        yield from lives
