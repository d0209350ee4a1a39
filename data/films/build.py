"""Build a data set from a folder of videos (`reelm data build FOLDER`). A pool of processes decodes the files.

In: a folder, a name, settings for the clips. Out, in `data_dir/NAME`:

    2.0.0/        the data set, as TFDS lays it out
    build.json    the settings, the shapes of the clips in order, and every skipped file with the reason

The same file names, contents and settings give the same bytes, for any number of processes. The clips of each file stay
in `data_dir/.building/NAME` until the set is complete. A build that was stopped continues from there.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from array_record.python.array_record_data_source import ArrayRecordDataSource

from reelm.data.clips import ShapeRun, check_name
from reelm.data.stored_clip import FIELDS, StoredClip
from reelm.data.stored_set import StoredSet
from reelm.errors import RequestError
from reelm.progress import Progress, silent
from reelm.storage.atomic import write_json
from reelm.storage.fields import check_format, parsed, read_json
from reelm.storage.locks import locked

from .cutting import CuttingConfig
from .manifest import Source, sources
from .worker import local, task
from .worker_pool import Pool

BUILD_FILE = "build.json"
SHARD_BYTES = 256 * 2**20  # of clips in a file of the data set, which has at least one clip
_PARTS = "parts"  # folder of the unfinished set, the only one that processes which read films may write in
_FAULT_LETTERS = 500
_FORMAT = 3
_ABOUT = """ Clips cut from a folder of videos by reelm: one shot each, at an even frame rate, in a few sizes and
lengths that stand one after another. "video" is an mp4 (H.264, 4:4:4) as bytes, for PyAV, imageio or FFmpeg; "audio" is
16-bit sound of one channel that lasts as long, empty where the source has none. "source", "start" (seconds) and "shot"
say where a clip comes from; all clips of one source are in one split.
"""
_BLOCKS, _BLOCK_BYTES = 8, 2**16  # of a file to compare, spread from its first byte to its last


@dataclass(frozen=True, kw_only=True)
class Contents:
    """The fields of `build.json`.

    Attributes:
        config: settings for cutting.
        files: digest of the names, captions, sizes and parts of the contents of the files.
        splits: the runs of each split, in order.
        left_out: (file, reason) of each skipped file.
    """

    config: dict[str, Any]
    files: str
    splits: dict[str, tuple[ShapeRun, ...]]
    left_out: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        if not self.splits or any(not runs or min(map(min, runs)) < 1 for runs in self.splits.values()):
            raise RequestError("every split must have runs of one clip or more")


@dataclass(frozen=True)
class Built:
    """A data set on disk: its folder, and the fields of `build.json`.

    Attributes:
        captioned: number of files with captions, and of all files; None if the set was opened, not built.
    """

    folder: Path
    contents: Contents
    captioned: tuple[int, int] | None = None

    @property
    def splits(self) -> dict[str, tuple[ShapeRun, ...]]:
        """The runs of each split, in order."""
        return self.contents.splits

    @property
    def left_out(self) -> dict[str, str]:
        """The skipped files, each with the reason."""
        return dict(self.contents.left_out)


def build(
    folder: Path,
    name: str,
    data_dir: Path,
    config: CuttingConfig,
    *,
    manifest: Path | None = None,
    pool: Pool | None = None,
    copied: bool = False,
    progress: Progress = silent,
) -> Built:
    """Build the set, or continue an unfinished build. A complete set of the same files is returned as it is.

    Args:
        folder: folder of videos, read with its sub-folders; see `manifest.sources`.
        name: name of the set, in small letters, digits and underscores.
        pool: reads the files; a file that it gives up is skipped. Default: `worker.local()`.
        copied: whether folder or set were copied here, so that their times are not compared.
        progress: called with the files done and the number of files.

    Raises:
        RequestError: the folder is missing, the name is not allowed, no file gives a clip, another set has the name, or
            a file changed after the set was built.
        OSError: the clips cannot be written.
    """
    check_name(name)
    found = sources(folder, manifest)
    made_of = {"config": asdict(config), "files": _fingerprint(folder, found)}
    if (data_dir / name).exists():
        there = _counted(_same(open_built(name, data_dir), made_of), found)
        if copied:
            return there
        built = (there.folder / BUILD_FILE).stat().st_mtime_ns
        for source in found:
            if not source.fault and (folder / source.name).stat().st_mtime_ns > built:
                raise RequestError(
                    f"{source.name!r} changed after {there.folder} was built; remove the set or choose another --name"
                )
        return there
    staging = data_dir / ".building" / name
    for inside in (_PARTS, "answers"):
        (staging / inside).mkdir(parents=True, exist_ok=True)
    with locked(staging / ".lock", f"another process builds in {staging}; wait for it"):
        results = _read_all(folder, found, config, staging, pool or local(), progress)
        good = [part for part in results if not part.fault]
        if not good:
            raise RequestError(f"no file in {folder} gives a clip; the first, {found[0].name!r}: {results[0].fault}")
        splits = _split(good, config.test_share)
        fields = {
            "format": _FORMAT,
            **made_of,
            "splits": {split: _runs(parts) for split, parts in splits.items()},
            "left_out": [[part.source.name, part.fault] for part in results if part.fault],
        }
        _write_set(staging, name, splits, fields)
        os.replace(staging / "set" / name, data_dir / name)
    shutil.rmtree(staging)
    return _counted(open_built(name, data_dir), found)


def open_built(name: str, data_dir: Path) -> Built:
    """Open the set of that name; RequestError if it is missing, damaged, or of another format."""
    path = data_dir / name / BUILD_FILE
    if not path.is_file():
        raise RequestError(
            f"no data set {name!r} was built in {data_dir}; make it with reelm data build FOLDER --name {name}"
        )
    try:
        contents = parsed(Contents, check_format(read_json(path), _FORMAT, str(path)), str(path))
    except RequestError as error:
        raise RequestError(f"{error}; remove {path.parent} and build the set again") from error
    return Built(data_dir / name, contents)


class _Record(NamedTuple):
    """A clip in the ArrayRecord file of its source."""

    frames: int
    height: int
    width: int
    size: int
    """Bytes it takes."""

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.frames, self.height, self.width


@dataclass(frozen=True)
class _Part:
    """The result of one file: its clips in the ArrayRecord file `path`, or the reason why there are none."""

    source: Source
    path: Path
    clips: Sequence[_Record] = ()
    fault: str = ""


def _fingerprint(folder: Path, found: Sequence[Source]) -> str:
    digest = hashlib.sha256()
    for source in found:
        content = "" if source.fault else _content(folder / source.name)
        digest.update(json.dumps([source.name, source.captions, content]).encode())
    return digest.hexdigest()


def _content(path: Path) -> str:
    """Return a digest of the size of a file and of some blocks of it, which cover all of a short file."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with contextlib.suppress(OSError), path.open("rb") as file:  # the worker reports a file that cannot be read
        for block in range(_BLOCKS):
            file.seek(max(0, size - _BLOCK_BYTES) * block // (_BLOCKS - 1))
            digest.update(file.read(_BLOCK_BYTES))
    return digest.hexdigest()


def _same(there: Built, made_of: dict[str, Any]) -> Built:
    if there.contents.config != json.loads(json.dumps(made_of["config"])):
        raise RequestError(f"{there.folder} was built with other settings; remove it or choose another --name")
    if there.contents.files != made_of["files"]:
        raise RequestError(f"{there.folder} was built from other files; remove it or choose another --name")
    return there


def _counted(built: Built, found: Sequence[Source]) -> Built:
    used = [source for source in found if source.name not in built.left_out]
    return replace(built, captioned=(sum(any(source.captions) for source in used), len(used)))


def _read_all(
    folder: Path,
    found: Sequence[Source],
    config: CuttingConfig,
    staging: Path,
    pool: Pool,
    progress: Progress,
) -> list[_Part]:
    """Return the result of each file, in the order of `found`. Results of an earlier build are not computed again."""
    parts = {source: _known(folder, source, config, staging) for source in found}
    done = sum(not isinstance(part, Path) for part in parts.values())
    tasks = [
        task(folder / source.name, source, config, part) for source, part in parts.items() if isinstance(part, Path)
    ]
    progress(done, len(found))
    with contextlib.closing(pool(tasks, staging / _PARTS)) as outcomes:
        for outcome in outcomes:
            source, path = Source(**outcome.task["source"]), Path(outcome.task["part"])
            if outcome.answer is None:
                # Not stored: another time, or with more memory, the file may succeed.
                parts[source] = _Part(source, path, fault=outcome.fault)
            else:
                if isinstance(outcome.answer, dict) and "stop" in outcome.answer:
                    raise OSError(outcome.answer["stop"])
                parts[source] = _part(source, path, outcome.answer)
                write_json(_answer_file(path), outcome.answer, indent=1)
            done += 1
            progress(done, len(found))
    return [part for part in parts.values() if isinstance(part, _Part)]


def _known(folder: Path, source: Source, config: CuttingConfig, staging: Path) -> "_Part | Path":
    """Return the result of the file in an earlier build; else the path for its result."""
    if source.fault:
        return _Part(source, staging, fault=source.fault)
    file = folder / source.name
    identity = json.dumps([asdict(source), _content(file), file.stat().st_mtime_ns, asdict(config)], sort_keys=True)
    path = staging / _PARTS / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.array_record"
    with contextlib.suppress(OSError, ValueError):
        return _part(source, path, read_json(_answer_file(path)))
    return path


def _answer_file(part: Path) -> Path:
    """Return the file for the answer about a part. It lies where no process that reads films may write."""
    return part.parent.with_name("answers") / f"{part.stem}.json"


def _part(source: Source, path: Path, answer: Any) -> _Part:
    """Return the result of a file. The film may have taken over the process that answers, so the answer is checked."""
    match answer:
        case {"fault": str(fault)}:
            return _Part(source, path, fault="".join(filter(str.isprintable, fault))[:_FAULT_LETTERS])
        case {"clips": [*clips]} if path.is_file() and not path.is_symlink():
            if all(isinstance(clip, list) and [type(size) for size in clip] == [int] * 4 for clip in clips):
                if clips and min(map(min, clips)) > 0:
                    return _Part(source, path, [_Record(*clip) for clip in clips])
    return _Part(source, path, fault="the process that read it gave no valid answer")


def _split(good: Sequence[_Part], test_share: float) -> dict[str, list[_Part]]:
    """Return the parts of each split. With two files or more, and a share above 0, the test split gets at least one."""
    test = [part for part in good if part.source.share() < test_share]
    if test_share and not test and len(good) > 1:
        test = [min(good, key=lambda part: part.source.share())]
    if len(test) == len(good):
        test = test[1:]
    train = [part for part in good if part not in test]
    return {"train": train, **({"test": test} if test else {})}


def _runs(parts: Sequence[_Part]) -> list[ShapeRun]:
    """Return the number of clips of each bucket, in the order of a split."""
    counts = Counter(clip.shape for part in parts for clip in part.clips)
    return [ShapeRun(counts[shape], *shape) for shape in sorted(counts)]


def stored(name: str, data_dir: Path) -> StoredSet:
    """Return the set of a name on disk."""
    return StoredSet(name=name, data_dir=data_dir, version="2.0.0", fields=FIELDS, about=_ABOUT)


def _write_set(staging: Path, name: str, splits: dict[str, list[_Part]], fields: dict[str, Any]) -> None:
    shutil.rmtree(staging / "set", ignore_errors=True)  # left by a build that was stopped here
    shards = {split: [partial(_read, shard) for shard in _shards(parts)] for split, parts in splits.items()}
    stored(name, staging / "set").write(shards)
    write_json(staging / "set" / name / BUILD_FILE, fields, indent=1)


def _shards(parts: Sequence[_Part]) -> Iterator[list[tuple[Path, int]]]:
    """Yield the clips of each shard of a split, each as its part and its index there.

    Clips are ordered by shape, then by the names of their files, then by time.
    """
    shard: list[tuple[Path, int]] = []
    left = SHARD_BYTES
    for _, *shape in _runs(parts):
        for part in parts:
            for place, clip in enumerate(part.clips):
                if clip.shape != tuple(shape):
                    continue
                if shard and clip.size > left:
                    yield shard
                    shard, left = [], SHARD_BYTES
                shard.append((part.path, place))
                left -= clip.size
    if shard:
        yield shard


def _read(shard: Sequence[tuple[Path, int]]) -> Iterator[dict[str, Any]]:
    for path, clips in groupby(shard, key=lambda clip: clip[0]):
        records = ArrayRecordDataSource(str(path))
        yield from (StoredClip.unpack(records[place]).example() for _, place in clips)
