"""Write a token set: shards that are whole or missing, then the index."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from array_record.python.array_record_module import ArrayRecordWriter

from reelm.errors import RequestError
from reelm.progress import Progress, silent
from reelm.storage.atomic import TEMPORARY, replacing

from .index import (
    INDEX_FILE,
    KeyIndex,
    SoundIndex,
    TokenIndex,
    TokenRun,
    check_same,
    missing_shards,
    read_index,
    samples_in,
    write_index,
)
from .sample import TokenSample, pack

# Neighbouring records are compressed together in groups; groups of one keep random access cheap.
_WRITER_OPTIONS = "group_size:1,zstd:3"


def write_tokens(
    directory: Path,
    samples_of: Callable[[int, int], Iterable[TokenSample]],
    *,
    runs: Sequence[TokenRun],
    tokenizer_hash: str,
    fps: float,
    time_stride: int,
    shard_size: int = 4096,
    source: Mapping[str, Any] | None = None,
    sound: SoundIndex | None = None,
    keys: KeyIndex | None = None,
    controls: Sequence[str] = (),
    scale: int = 1,
    process: int = 0,
    processes: int = 1,
    progress: Progress = silent,
) -> TokenIndex:
    """Write a token set, or complete an unfinished one. An interruption costs each process at most one shard.

    Args:
        directory: made if missing; the same for all processes.
        samples_of: `(start, stop)` gives the samples from start to stop - 1; called for one missing shard at a time.
        runs: number of samples of each shape, in order; a complete set grows when there are more.
        tokenizer_hash, fps, time_stride, source, sound, keys, controls, scale: as in `TokenIndex`; `source` is JSON.
        process, processes: number of this process, and of all, each started with the same arguments. Process p writes
            shards p, p + processes and so on. Another number of processes may complete a set.
        progress: called with the shards written and the number of shards.

    Returns:
        The index; it is `complete` once no process has a shard left to write.

    Raises:
        RequestError: the folder holds tokens of another tokenizer, rate or source, or other files.
    """
    if not 0 <= process < processes:
        raise RequestError(f"process is {process} of {processes}; processes count from 0")
    index = TokenIndex(
        tokenizer_hash=tokenizer_hash,
        fps=fps,
        time_stride=time_stride,
        runs=tuple(TokenRun(*run) for run in runs),
        shard_size=shard_size,
        source=json.loads(json.dumps(dict(source or {}))),  # as it will be read back: tuples become lists
        sound=sound,
        keys=keys,
        controls=tuple(controls),
        scale=scale,
    )
    there = _there(directory, index)
    if there and there.complete and there.num_samples >= index.num_samples and not missing_shards(directory, there):
        return there
    write_index(directory, index)

    shards = index.shards()
    for file, start, stop in shards[process::processes]:
        if samples_in(directory / file) != stop - start:
            _write_shard(directory / file, samples_of(start, stop), stop - start)
            progress(len(shards) - len(missing_shards(directory, index)), len(shards))
    return _completed(directory, index)


def _completed(directory: Path, index: TokenIndex) -> TokenIndex:
    """Return the index, written as complete where no shard is missing."""
    # The last process sees that all are there. If two are last, both write the same.
    if missing_shards(directory, index):
        return index
    for left in directory.glob(f"{TEMPORARY}*"):
        left.unlink(missing_ok=True)  # left by a killed process
    write_index(directory, whole := replace(index, complete=True))
    return whole


def _there(directory: Path, index: TokenIndex) -> TokenIndex | None:
    """Return the index of the set in the folder, which is made if missing; None if there is no set.

    RequestError when the folder holds another set, or other files.
    """
    if directory.exists() and not directory.is_dir():
        raise RequestError(f"{directory} is a file; name a folder for the tokens")
    directory.mkdir(parents=True, exist_ok=True)
    if (directory / INDEX_FILE).exists():
        there = read_index(directory)
        check_same(directory, there, index)
        return there
    if any(not entry.name.startswith(TEMPORARY) for entry in directory.iterdir()):
        raise RequestError(f"{directory} is not empty and not a token set; name a new folder")
    return None


def _write_shard(path: Path, samples: Iterable[TokenSample], count: int) -> None:
    with replacing(path) as temporary:
        writer = ArrayRecordWriter(str(temporary), _WRITER_OPTIONS)
        written = 0
        for sample in samples:
            writer.write(pack(sample))
            written += 1
        writer.close()
        if written != count:
            raise ValueError(f"{path.name} wants {count} samples and was given {written}")
