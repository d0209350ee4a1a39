"""The data sets by name: what training reads, as random-access sources of captioned clips.

Comes in: a name, a split, and for a set built on disk its folder. Goes out: a `ClipSource`, which Grain and plain
loops index alike. Knows nothing of tokens (`tokens.py`), batches (`pipeline.py`) or models.

`moving_digits` and `moving_digits_sound` need no files: any clip is drawn on demand from its index. The set that
`build` writes to disk holds the very same clips in the same order, for readers outside this package. `animated_emoji`
is built from packages that its user fetches, and then read; `animated_emoji/128px_12fps` names one of its
configurations. Sets that `reelm data build FOLDER` made are found by their names in `$REELM_HOME/datasets`, or by the
path of their folder.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from reelm.data.animated_emoji import emoji as animated_emoji
from reelm.data.films.build import BUILD_FILE, Built, built_names, open_built
from reelm.data.moving_digits import scenes
from reelm.data.moving_digits.source import build_digits, open_digits
from reelm.errors import RequestError
from reelm.progress import Progress, silent
from reelm.storage.home import home
from reelm.storage.remote import fetched, is_remote

from .clips import ClipSource, ShapeRun


def names(data_dir: Path | None = None) -> tuple[str, ...]:
    """The names that `open_clips` knows: those this package makes, then the sets built in `data_dir` from folders."""
    return (*own_names(), *built_names(data_dir or built_folder()))


def own_names() -> tuple[str, ...]:
    """The names of the sets that this package makes, which `build` takes."""
    return tuple(_DATASETS)


def describe(name: str, data_dir: Path | None = None) -> str:
    """A data set in one line."""
    if name not in _DATASETS and (folder := _folder(name, data_dir)):
        runs = {split: [ShapeRun(*run) for run in runs] for split, runs in _built(folder).splits.items()}
        counts = ", ".join(f"{sum(run.clips for run in each)} in {split}" for split, each in runs.items())
        shapes = sorted({run[1:] for each in runs.values() for run in each})
        return f"clips: {counts}; of {', '.join('x'.join(map(str, shape)) for shape in shapes)}; in {folder}"
    return _dataset(name).summary


def is_drawn(name: str) -> bool:
    """Whether the clips of a set are drawn on demand, so that there is no end of them."""
    return name in _DATASETS and _DATASETS[name].drawn


def built_folder() -> Path:
    """Where sets are built that no other folder is named for: `$REELM_HOME/datasets`."""
    return home() / "datasets"


def open_clips(
    name: str,
    split: str,
    *,
    num_frames: int | None = None,
    num_clips: int | None = None,
    data_dir: Path | None = None,
    config: str | None = None,
) -> ClipSource:
    """The first `num_clips` clips of a split (None: all), each of `num_frames` frames.

    `name` may be the folder of a set built from a folder of videos. Of such a set the clips of `num_frames` frames or
    more are taken, which stand by shape; None takes all, each at its length. Of moving_digits None is 33: with
    `data_dir` they are read from what `build(name, data_dir, config)` wrote there; without it they are drawn on demand.
    Of animated_emoji None is their own length, and `data_dir` None is `built_folder()`. `config` None is the set's
    usual one, or the one that `name` holds. RequestError for an unknown name or split, more frames or clips than there
    are, or a set not built.
    """
    for what, number in (("num_frames", num_frames), ("num_clips", num_clips)):
        if number is not None and number < 1:
            raise RequestError(f"{what} is {number}; it must be at least 1")
    if name not in _DATASETS and (folder := _folder(name, data_dir)):
        from reelm.data.films.source import open_folder

        return open_folder(folder, split, num_frames, num_clips)
    dataset = _dataset(name)
    if split not in dataset.splits:
        raise RequestError(f"{name} has no split {split!r}; there are {', '.join(dataset.splits)}")
    return dataset.open(split, num_frames, num_clips, data_dir, config or dataset.config(name))


def open_held_back(name: str, *, num_frames: int | None = None) -> ClipSource:
    """The clips to look at while training: those held back from it, or "train" where a set of one file has no other."""
    folder = None if name in _DATASETS else _folder(name, None)
    if folder is None:
        return open_clips(name, _dataset(name).held_back, num_frames=num_frames)
    return open_clips(name, "test" if "test" in _built(folder).splits else "train", num_frames=num_frames)


def build(
    name: str,
    data_dir: Path | None = None,
    config: str | None = None,
    packages: Path | None = None,
    progress: Progress = silent,
) -> Path:
    """Writes a data set to disk by its TFDS builder and names the folder; nothing is done again where it is there.

    `data_dir` is `$REELM_HOME/datasets` by default; `packages` the folder of what a set is made of, for one that needs
    some; `progress` is called with the shards written and the shards there are. RequestError for an unknown name or
    configuration, or packages that are missing.
    """
    dataset = _dataset(name)
    if packages is not None and dataset.drawn:
        raise RequestError(f"{name} is made of no packages; leave them out")
    return dataset.build(data_dir or built_folder(), config or dataset.config(name), packages, progress)


def _folder(name: str, data_dir: Path | None) -> Path | None:
    """The folder of a set that was built under that name, or that `name` is; of a remote one, the local copy."""
    if is_remote(name):
        return fetched(name)
    folders = ((data_dir or built_folder()) / name, Path(name).absolute())
    return next((folder for folder in folders if (folder / BUILD_FILE).is_file()), None)


def _built(folder: Path) -> Built:
    return open_built(folder.name, folder.parent)


@dataclass(frozen=True, kw_only=True)
class _Dataset:
    summary: str
    splits: tuple[str, ...]
    held_back: str
    usual_config: str
    drawn: bool
    open: Callable[[str, int | None, int | None, Path | None, str], ClipSource]
    build: Callable[[Path, str, Path | None, Progress], Path]

    def config(self, name: str) -> str:
        """The configuration that a name such as "animated_emoji/128px_12fps" holds, or else the usual one."""
        return name.partition("/")[2] or self.usual_config


def _dataset(name: str) -> _Dataset:
    known = _DATASETS.get(name.partition("/")[0])
    if known is None or ("/" in name and known.drawn):
        raise RequestError(
            f"no data set is named {name!r}; there are {', '.join(names())}, and reelm data build makes one of a folder"
        )
    return known


def _digits(name: str, summary: str) -> _Dataset:
    return _Dataset(
        summary=summary,
        splits=scenes.SPLITS,
        held_back="test",
        usual_config="full",
        drawn=True,
        open=partial(open_digits, name),
        build=partial(build_digits, name),
    )


def _open_emoji(
    split: str, num_frames: int | None, num_clips: int | None, data_dir: Path | None, config: str
) -> ClipSource:
    from reelm.data.animated_emoji.source import open_emoji

    return open_emoji(split, num_frames, num_clips, data_dir or built_folder(), config)


def _build_emoji(data_dir: Path, config: str, packages: Path | None, progress: Progress) -> Path:
    from reelm.data.animated_emoji import tfds as animated_emoji_tfds

    return animated_emoji_tfds.build(data_dir, config, packages, progress)


_DATASETS = {
    "moving_digits": _digits(
        "moving_digits", "one or two handwritten digits move and bounce: 64x64, 8 fps, any length, drawn on demand"
    ),
    "moving_digits_sound": _digits(
        "moving_digits_sound", "the same, and a voice names the digits, a tick marks each bounce: 16 kHz, mono"
    ),
    "animated_emoji": _Dataset(
        summary="2,109 emoji that move over a plain colour: 64x64 or 128x128, 8 or 12 fps, 3 s, built from packages",
        splits=animated_emoji.SPLITS,
        held_back="held_out",
        usual_config="64px_8fps",
        drawn=False,
        open=_open_emoji,
        build=_build_emoji,
    ),
}
