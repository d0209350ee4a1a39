"""Token sets: clips as the codes of a video tokenizer, beside their captions, stored for the training of the LM.

Comes in: codes int32[t, h, w] with captions. Goes out: a folder of ArrayRecord shards with an `index.json` that says
which tokenizer made the codes and from which clips; then random access to its samples. Knows nothing of pixels,
tokenizer networks or batches, and needs no TFDS.

A record is one line of JSON ({"caption", "shape", "still_frames"}), a newline, and the codes as little-endian int32:
those of the clip, then those of its stills.
A shard appears under its name only when whole, and in the index only after that: a writer killed at any moment
leaves a folder that the next call completes.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from array_record.python.array_record_data_source import ArrayRecordDataSource
from array_record.python.array_record_module import ArrayRecordWriter

from reelm.tokenizer.request import RequestError

INDEX_FILE = "index.json"
_FORMAT = 2
# Neighbouring records are compressed together in groups; groups of one keep random access cheap.
_WRITER_OPTIONS = "group_size:1,zstd:3"


class TokenSample(TypedDict):
    """Codes of one clip, int32[t, h, w], and the words for it; and some of its frames, each tokenized alone.

    `stills` is int32[s, h, w], `still_frames` int32[s] their frame numbers, from 0.
    """

    video: np.ndarray
    caption: str
    stills: np.ndarray
    still_frames: np.ndarray


@dataclass(frozen=True, kw_only=True)
class TokenIndex:
    """What `index.json` holds. height and width are those of the frames, in pixels; `shards` are (file, samples).

    time_stride is the number of frames that a latent frame after the first stands for.
    """

    tokenizer_hash: str
    fps: float
    height: int
    width: int
    time_stride: int
    source: Mapping[str, Any]
    shards: tuple[tuple[str, int], ...] = ()
    complete: bool = False

    @property
    def num_samples(self) -> int:
        return sum(samples for _, samples in self.shards)


class TokenSource:
    """Samples by index from 0; IndexError beyond the end. `index` says where they come from."""

    def __init__(self, index: TokenIndex, records: ArrayRecordDataSource) -> None:
        self.index = index
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> TokenSample:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        return _unpack(self._records[int(index)])


def write_tokens(
    directory: Path,
    samples_from: Callable[[int], Iterable[TokenSample]],
    *,
    tokenizer_hash: str,
    fps: float,
    height: int,
    width: int,
    time_stride: int,
    shard_size: int = 4096,
    source: Mapping[str, Any] | None = None,
) -> TokenIndex:
    """Writes a token set, or completes one that was cut short; an interruption costs at most one shard.

    `samples_from(n)` yields samples n, n + 1, ... and is called once, with the number already in the folder; so a set
    that is complete grows when there are more. `source` (JSON values) says what was tokenized. RequestError when the
    folder holds tokens of another tokenizer, rate, size or source, or other files.
    """
    if shard_size < 1:
        raise ValueError(f"shard_size must be at least 1, not {shard_size}")
    index = TokenIndex(
        tokenizer_hash=tokenizer_hash,
        fps=fps,
        height=height,
        width=width,
        time_stride=time_stride,
        source=json.loads(json.dumps(dict(source or {}))),  # as it will be read back: tuples become lists
    )
    if directory.exists() and not directory.is_dir():
        raise RequestError(f"{directory} is a file; name a folder for the tokens")
    directory.mkdir(parents=True, exist_ok=True)
    if (directory / INDEX_FILE).exists():
        index = _same_set(directory, _read_index(directory), index)
        _check_shards(directory, index)
    elif any(not entry.name.endswith(".tmp") for entry in directory.iterdir()):
        raise RequestError(f"{directory} is not empty and no token set; name a new folder")
    _write_index(directory, index := replace(index, complete=False))

    samples = iter(samples_from(index.num_samples))
    while shard := list(islice(samples, shard_size)):
        file = f"tokens-{len(index.shards):05d}.array_record"
        _write_shard(directory / file, shard)
        index = replace(index, shards=(*index.shards, (file, len(shard))))
        _write_index(directory, index)
    _write_index(directory, index := replace(index, complete=True))
    return index


def open_tokens(directory: Path, tokenizer_hash: str | None = None) -> TokenSource:
    """Opens a token set. RequestError when the folder holds none, it was never finished, a shard is missing, or (with
    `tokenizer_hash`) another tokenizer made it: codes mean nothing to any tokenizer but their own.
    """
    index = _read_index(directory)
    if tokenizer_hash is not None and index.tokenizer_hash != tokenizer_hash:
        raise RequestError(
            f"the tokens in {directory} were made by tokenizer {index.tokenizer_hash[:12]}, "
            f"not {tokenizer_hash[:12]}; tokenize the clips again"
        )
    if not index.complete:
        raise RequestError(
            f"the token set in {directory} was cut short after {index.num_samples} samples; run the same command again"
        )
    if not index.num_samples:
        raise RequestError(f"the token set in {directory} is empty; tokenize some clips into it")
    _check_shards(directory, index)
    return TokenSource(index, ArrayRecordDataSource([str(directory / file) for file, _ in index.shards]))


def _pack(sample: TokenSample) -> bytes:
    video = np.asarray(sample["video"])
    if video.ndim != 3 or video.dtype != np.int32:
        raise ValueError(f"codes must be int32[t, h, w], not {video.dtype}{list(video.shape)}")
    stills, frames = np.asarray(sample["stills"]), [int(frame) for frame in sample["still_frames"]]
    if stills.shape != (len(frames), *video.shape[1:]) or stills.dtype != np.int32:
        shape = [len(frames), *video.shape[1:]]
        raise ValueError(f"stills of this clip must be int32{shape}, not {stills.dtype}{list(stills.shape)}")
    head = json.dumps({"caption": sample["caption"], "shape": video.shape, "still_frames": frames})
    return head.encode() + b"\n" + np.concatenate([video, stills]).astype("<i4").tobytes()


def _unpack(record: bytes) -> TokenSample:
    head, codes = record.split(b"\n", 1)
    fields = json.loads(head)
    length, *grid = fields["shape"]
    frames = np.frombuffer(codes, "<i4").astype(np.int32).reshape(-1, *grid)
    return {
        "video": frames[:length],
        "caption": fields["caption"],
        "stills": frames[length:],
        "still_frames": np.array(fields["still_frames"], np.int32),
    }


def _write_shard(path: Path, samples: list[TokenSample]) -> None:
    temporary = path.with_name(path.name + ".tmp")
    writer = ArrayRecordWriter(str(temporary), _WRITER_OPTIONS)
    for sample in samples:
        writer.write(_pack(sample))
    writer.close()
    os.replace(temporary, path)


def _check_shards(directory: Path, index: TokenIndex) -> None:
    for file, samples in index.shards:
        path = directory / file
        try:
            found = len(ArrayRecordDataSource(str(path))) if path.is_file() else 0
        except (RuntimeError, ValueError) as error:
            raise RequestError(f"{path} is damaged or cut short; tokenize the clips into a new folder") from error
        if found != samples:
            raise RequestError(f"{path} holds {found} samples, not {samples}; tokenize the clips into a new folder")


def _write_index(directory: Path, index: TokenIndex) -> None:
    temporary = directory / (INDEX_FILE + ".tmp")
    temporary.write_text(json.dumps({"format": _FORMAT, **asdict(index)}, indent=2) + "\n")
    os.replace(temporary, directory / INDEX_FILE)


def _read_index(directory: Path) -> TokenIndex:
    path = directory / INDEX_FILE
    if not path.is_file():
        raise RequestError(f"{directory} holds no token set (no {INDEX_FILE}); make one with reelm data tokenize")
    try:
        fields = json.loads(path.read_text())
        if fields.pop("format") != _FORMAT:
            raise RequestError(f"{path} is of another format than {_FORMAT}; tokenize the clips again")
        shards = tuple((str(file), int(samples)) for file, samples in fields.pop("shards"))
        return TokenIndex(shards=shards, **fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, RequestError):
            raise
        raise RequestError(f"{path} is damaged ({error}); tokenize the clips again") from error


def _same_set(directory: Path, there: TokenIndex, wanted: TokenIndex) -> TokenIndex:
    """`there`, once it is sure to be the begun form of `wanted`."""
    for field in ("tokenizer_hash", "fps", "height", "width", "time_stride", "source"):
        old, new = getattr(there, field), getattr(wanted, field)
        if old != new:
            raise RequestError(f"{directory} holds tokens with {field} {old}, not {new}; name a new folder")
    return there
