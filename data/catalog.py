"""Find data sets by name and open their clips.

In: a name, a split, and the folder of a set on disk. Out: a `ClipSource`, which Grain and plain loops index alike.
Knows nothing of tokens (`tokens/`), batches (`pipeline.py`) or models.

A name is that of a set in `_DIGITS` or of a model in the zoo, that of a set built by `reelm data build FOLDER`, or the
path of such a set.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from reelm.data.films.build import BUILD_FILE
from reelm.data.films.source import FilmSet
from reelm.data.moving_digits.source import (
    MovingDigitsChineseSet,
    MovingDigitsSet,
    MovingDigitsSoundSet,
    MovingDigitsStoriesSet,
    MovingDigitsVoicesSet,
    SteeredDigitsSet,
    SteeredPairsSet,
)
from reelm.data.recordings.build import BUILD_FILE as RECORDED_FILE
from reelm.data.recordings.source import RecordedSet
from reelm.errors import RequestError
from reelm.progress import Progress, silent
from reelm.registry import entries
from reelm.storage.home import datasets_folder
from reelm.storage.remote import fetched, is_remote

from .clips import BuildableSet, ClipSource, DataSet

# Each is constructed with the folder of built sets and a configuration, like those of the zoo.
_DIGITS = {
    each.name: each
    for each in (
        MovingDigitsSet,
        MovingDigitsSoundSet,
        MovingDigitsChineseSet,
        MovingDigitsVoicesSet,
        MovingDigitsStoriesSet,
        SteeredDigitsSet,
        SteeredPairsSet,
    )
}

# The file that marks a set built from a folder, and the class that opens the set.
_BUILT: Mapping[str, Callable[[Path], DataSet]] = {BUILD_FILE: FilmSet, RECORDED_FILE: RecordedSet}


def names(data_dir: Path | None = None) -> tuple[str, ...]:
    """Return the names of the package's own sets, then of the sets built in `data_dir` from folders."""
    folder = data_dir or datasets_folder()
    built = {path.parent.name for file in _BUILT for path in folder.glob(f"*/{file}")}
    return (*own_names(), *sorted(built - {*own_names()}))


def own_names() -> tuple[str, ...]:
    """Return the names of the package's own sets, which `build` takes."""
    return (*_DIGITS, *entries("DATA_SETS"))


def describe(name: str, data_dir: Path | None = None) -> str:
    """Return one line about a data set."""
    return _find(name, data_dir).summary


def is_drawn(name: str) -> bool:
    """Return whether the clips of a set are drawn on demand, in any number."""
    return name in own_names() and _class(name).drawn


def open_clips(
    name: str,
    split: str,
    *,
    num_frames: int | None = None,
    num_clips: int | None = None,
    data_dir: Path | None = None,
    config: str | None = None,
) -> ClipSource:
    """Open the clips of a split.

    Args:
        name: a data set, or the folder of one that was built from videos. `animated_emoji/128px_12fps` names a
            configuration, too; `toys/1000` are the clips that were built with `clips=1000`.
        split: such as "train".
        num_frames: frames of each clip. Default: its own length, 33 for a set that is drawn on demand. Of films,
            clips with fewer frames are left out.
        num_clips: open only so many, from the first on. Default: all.
        data_dir: folder of built sets. Default: `$REELM_HOME/datasets`; moving digits are then drawn on demand.
        config: configuration of the set. Default: the one in `name`, or the set's usual one.

    Raises:
        RequestError: the name or the split is unknown, the set was not built, or it has fewer clips or frames.
    """
    for what, number in (("num_frames", num_frames), ("num_clips", num_clips)):
        if number is not None and number < 1:
            raise RequestError(f"{what} is {number}; it must be at least 1")
    dataset = _find(name, data_dir, config)
    if split not in dataset.splits:
        raise RequestError(f"{name} has no split {split!r}; there are {', '.join(dataset.splits)}")
    return dataset.open(split, num_frames=num_frames, num_clips=num_clips)


def open_held_back(name: str, *, num_frames: int | None = None) -> ClipSource:
    """Open the clips for previews in training: a split that training never sees, or "train" if it is the only one."""
    return open_clips(name, _find(name).held_back, num_frames=num_frames)


def build(
    name: str,
    data_dir: Path | None = None,
    config: str | None = None,
    packages: Path | None = None,
    progress: Progress = silent,
    *,
    episodes: int | None = None,
    clips: int | None = None,
) -> Path:
    """Write one of the package's own sets to disk and return its folder. A set that is there stays as it is.

    Args:
        name: one of `own_names()`.
        data_dir: folder of built sets. Default: `$REELM_HOME/datasets`.
        config: configuration of the set. Default: the one in `name`, or the set's usual one.
        packages: folder of the packages that the set is made from. Default: that of the set.
        progress: called with the shards written and the number of shards.
        episodes: number of episodes of a game to play. Default: that of the set.
        clips: number of clips of a set that is drawn. Default: that of the set.

    Raises:
        RequestError: the name or the configuration is unknown, packages are missing, or the set takes none; episodes of
            a set that is not played, or a number of clips of one whose number is fixed.
    """
    found: Any = _own(name, data_dir, config)
    takes = {field.name for field in fields(found)}
    if episodes is not None:
        if "episodes" not in takes:
            raise RequestError(f"{name} is not played and has no episodes; leave them out")
        found = replace(found, episodes=episodes)
    if clips is not None:
        if "clips" not in takes:
            raise RequestError(f"the number of clips of {name} is fixed; leave it out")
        found = replace(found, clips=clips)
    return found.build(packages=packages, progress=progress)


def _find(name: str, data_dir: Path | None = None, config: str | None = None) -> DataSet:
    if name not in own_names() and (found := _built(name, data_dir)):
        return found
    return _own(name, data_dir, config)


def _own(name: str, data_dir: Path | None, config: str | None) -> BuildableSet:
    family, _, named = name.partition("/")
    if family not in own_names() or ("/" in name and not _is_stored(family)):
        raise RequestError(
            f"no data set is named {name!r}; there are {', '.join(names())}, and reelm data build makes one of a folder"
        )
    return _class(family)(data_dir, config or named or None)


def _is_stored(name: str) -> bool:
    """Return whether a set of the package's own can be built, so that a configuration of it has a name."""
    found = _class(name)
    return not found.drawn or "clips" in {field.name for field in fields(found)}


def _class(name: str) -> Any:
    return _DIGITS[name] if name in _DIGITS else entries("DATA_SETS")[name].load()


def _built(name: str, data_dir: Path | None) -> DataSet | None:
    """Return a set built from a folder, by its name or its path; None if there is none."""
    folders = (fetched(name),) if is_remote(name) else ((data_dir or datasets_folder()) / name, Path(name).absolute())
    found = ((folder, kind) for folder in folders for file, kind in _BUILT.items() if (folder / file).is_file())
    return next((kind(folder) for folder, kind in found), None)
