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
from .recording import Recording

_STEPS, _LANDS = 1024, 8  # frames that are played in a land; lands in a shard
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
        folder = (self.data_dir or datasets_folder()) / self.name
        if not (folder / BUILD_FILE).is_file():
            raise RequestError(f"no {self.name} in {folder.parent}; build it there first (reelm data build crafter)")
        return RecordedSet(folder).open(split, num_frames=num_frames, num_clips=num_clips)

    def build(self, *, packages: Path | None = None, episodes: int | None = None, progress: Progress = silent) -> Path:
        """Play so many lands (None: 128), and one more for each 16 of them that is for the test split.

        A set that is there stays as it is.
        """
        if self.config is not None:
            raise RequestError(f"{self.name} has one configuration, not {self.config!r}; leave the size out")
        if packages is not None:
            raise RequestError(f"{self.name} is made from no packages; leave them out")
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


def _played(pool: ProcessPoolExecutor, seeds: range) -> Iterator[Recording]:
    """Yield the recordings of lands, which are played side by side."""
    from .players import play

    for lives in pool.map(partial(play, steps=_STEPS), seeds):
        yield from lives
