"""Token sets: clips as the codes of a video tokenizer, beside their captions, stored for the training of the LM.

Comes in: codes int32[t, h, w] with captions. Goes out: a folder of ArrayRecord shards with an `index.json` that says
which tokenizer made the codes, from which clips, and which shapes stand where; then random access to its samples. Knows
nothing of pixels, tokenizer networks or batches, and needs no TFDS.

A record is one line of JSON ({"captions", "shape", "still_frames", "sound"}), a newline, and the codes as little-endian
int32: those of the clip, those of its stills, those of its sound.
Which samples a shard holds is settled beforehand, and a shard appears under its name only when whole: so any number of
processes write side by side, and processes killed at any moment leave a folder that the next ones complete.
"""

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict

import numpy as np
from array_record.python.array_record_data_source import ArrayRecordDataSource
from array_record.python.array_record_module import ArrayRecordWriter

from reelm.tokenizer.codes import MAX_BITS, CodeSpec, check_ids
from reelm.tokenizer.request import RequestError

from .remote import fetched

# Which of a clip's captions are read: all of them, or the first.
Captions = Literal["all", "first"]

INDEX_FILE = "index.json"
_FORMAT = 5
# Neighbouring records are compressed together in groups; groups of one keep random access cheap.
_WRITER_OPTIONS = "group_size:1,zstd:3"


class TokenSample(TypedDict):
    """Codes of one clip, int32[t, h, w], and what is said of it; some of its frames, each tokenized alone; its sound.

    `captions` are one or more. `stills` is int32[s, h, w], `still_frames` int32[s] their frame numbers, from 0. `sound`
    is int32[F, L], the audio frames beside all latent frames; F is 0 when the clip has no track.
    """

    video: np.ndarray
    captions: tuple[str, ...]
    stills: np.ndarray
    still_frames: np.ndarray
    sound: np.ndarray


class SoundIndex(NamedTuple):
    """What made the codes of sound; `frames` are the audio frames beside the first latent frame, and each later one."""

    tokenizer_hash: str
    levels: int
    bits: int
    frames: tuple[int, int]


class TokenRun(NamedTuple):
    """So many samples after one another whose clips have one shape: frames, and height and width in pixels."""

    samples: int
    frames: int
    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class TokenIndex:
    """What `index.json` holds: `runs` are the samples by shape, in order; each shard holds the next `shard_size`.

    time_stride is the number of frames that a latent frame after the first stands for. `sound` is None in a set without
    codes of sound.
    """

    tokenizer_hash: str
    fps: float
    time_stride: int
    runs: tuple[TokenRun, ...]
    shard_size: int
    source: Mapping[str, Any]
    sound: SoundIndex | None = None
    complete: bool = False

    @property
    def num_samples(self) -> int:
        return sum(run.samples for run in self.runs)

    @property
    def usual(self) -> TokenRun:
        """The longest run: its shape stands for the set where one has to."""
        return max(self.runs)

    def shards(self) -> list[tuple[str, int, int]]:
        """(file, its first sample, the first beyond it) of each shard."""
        starts = range(0, self.num_samples, self.shard_size)
        ends = [min(start + self.shard_size, self.num_samples) for start in starts]
        return [(f"tokens-{k:05d}.array_record", *span) for k, span in enumerate(zip(starts, ends, strict=True))]


class TokenSource:
    """Samples by index from 0; IndexError beyond the end. `index` says where they come from.

    captions: which of a clip's captions its sample has.

    RequestError when a sample is read that holds a code of pictures beyond `bits` bits, or of sound beyond the index's.
    """

    def __init__(
        self, index: TokenIndex, records: ArrayRecordDataSource, bits: int = MAX_BITS, captions: Captions = "all"
    ) -> None:
        self.index = index
        self._records, self._captions = records, captions
        self._code = CodeSpec(bits=bits)

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> TokenSample:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        sample = _unpack(self._records[int(index)])
        check_ids(sample["video"], self._code)
        check_ids(sample["stills"], self._code)
        if self.index.sound is not None:
            check_ids(sample["sound"], CodeSpec(bits=self.index.sound.bits))
        return sample if self._captions == "all" else {**sample, "captions": sample["captions"][:1]}


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
    process: int = 0,
    processes: int = 1,
    note: Callable[[int, int], None] = lambda done, total: None,
) -> TokenIndex:
    """Writes a token set, or completes one that was cut short; an interruption costs each process at most one shard.

    Args:
        directory: made if missing; the same for all processes.
        samples_of: `(start, stop)` gives the samples from start to stop - 1; asked for one missing shard at a time.
        runs: how many samples of which shapes there are; a complete set grows when there are more.
        tokenizer_hash, fps, time_stride, source, sound: what was tokenized by what; `source` holds JSON values.
        process, processes: this one of so many, each started with the same arguments. Process p writes shards p,
            p + processes and so on; a set begun by some number of processes may be completed by another.
        note: called with the shards that are there and those there will be.

    Returns:
        The index; it is `complete` once no process has a shard left to write.

    Raises:
        RequestError: the folder holds tokens of another tokenizer, rate or source, or other files.
    """
    if shard_size < 1:
        raise ValueError(f"shard_size must be at least 1, not {shard_size}")
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
    )
    if directory.exists() and not directory.is_dir():
        raise RequestError(f"{directory} is a file; name a folder for the tokens")
    directory.mkdir(parents=True, exist_ok=True)
    if (directory / INDEX_FILE).exists():
        there = _read_index(directory)
        _check_same(directory, there, index)
        if there.complete and there.num_samples >= index.num_samples and _missing(directory, there) == []:
            return there
    elif any(not entry.name.endswith(".tmp") for entry in directory.iterdir()):
        raise RequestError(f"{directory} is not empty and no token set; name a new folder")
    _write_index(directory, index)

    shards = index.shards()
    for file, start, stop in shards[process::processes]:
        if _samples_in(directory / file) != stop - start:
            _write_shard(directory / file, samples_of(start, stop), stop - start)
            note(len(shards) - len(_missing(directory, index)), len(shards))
    # Whoever comes last sees that all are there; two that both do write the same.
    if not _missing(directory, index):
        for left in directory.glob("tokens-*.tmp"):
            left.unlink(missing_ok=True)  # of a process that was killed
        _write_index(directory, index := replace(index, complete=True))
    return index


def open_tokens(
    directory: Path, tokenizer_hash: str | None = None, bits: int = MAX_BITS, captions: Captions = "all"
) -> TokenSource:
    """Opens a token set for what reads codes of so many bits, see `TokenSource`.

    RequestError when the folder holds none, it was never finished, a shard is missing, or (with `tokenizer_hash`)
    another tokenizer made it: codes mean nothing to any tokenizer but their own.
    """
    directory = fetched(directory)
    index = _read_index(directory)
    if tokenizer_hash is not None and index.tokenizer_hash != tokenizer_hash:
        raise RequestError(
            f"the tokens in {directory} were made by tokenizer {index.tokenizer_hash[:12]}, "
            f"not {tokenizer_hash[:12]}; tokenize the clips again"
        )
    missing = _missing(directory, index)
    if not index.complete:
        raise RequestError(
            f"the token set in {directory} was cut short, {len(missing)} of its {len(index.shards())} shards are "
            "missing; run the same command again"
        )
    if not index.num_samples:
        raise RequestError(f"the token set in {directory} is empty; tokenize some clips into it")
    if missing:
        raise RequestError(
            f"{directory / missing[0]} is missing or damaged; run reelm data tokenize as before to mend it"
        )
    records = ArrayRecordDataSource([str(directory / file) for file, _, _ in index.shards()])
    return TokenSource(index, records, bits, captions)


def open_all(
    folders: Sequence[Path], bits: int, tokenizer_hash: str | None = None, captions: Captions = "all"
) -> list[TokenSource]:
    """The token sets, for a net of so many bits. RequestError unless one tokenizer, with that hash if any, made all."""
    if not folders:
        raise RequestError("there are no tokens to train on; name folders that reelm data tokenize wrote")
    first = open_tokens(folders[0], tokenizer_hash, bits, captions)
    return [first, *(open_tokens(folder, first.index.tokenizer_hash, bits, captions) for folder in folders[1:])]


def check_sound(
    sources: Sequence[TokenSource],
    *,
    levels: int,
    bits: int,
    frames: tuple[int, int],
    audio_hash: str | None = None,
) -> None:
    """RequestError unless a model with sound gets codes of its sound, all by one tokenizer, with that hash if any.

    levels, bits, frames: of the model, see `SoundIndex`; one of 0 levels takes any tokens.
    """
    if not levels:
        return
    wanted = (levels, bits, frames)
    for source in sources:
        made = source.index.sound
        if made is None:
            raise RequestError("the model has sound and the tokens have none; tokenize with --audio-tokenizer")
        if (there := (made.levels, made.bits, made.frames)) != wanted:
            raise RequestError(f"the tokens' levels, bits and frames of sound are {there}, the model wants {wanted}")
        first = audio_hash or (sources[0].index.sound or made).tokenizer_hash
        if made.tokenizer_hash != first:
            raise RequestError(
                f"the tokens' sound was made by audio tokenizer {made.tokenizer_hash[:12]}, not {first[:12]}; "
                "tokenize the clips again"
            )


def _pack(sample: TokenSample) -> bytes:
    video = np.asarray(sample["video"])
    if video.ndim != 3 or video.dtype != np.int32:
        raise ValueError(f"codes must be int32[t, h, w], not {video.dtype}{list(video.shape)}")
    stills, frames = np.asarray(sample["stills"]), [int(frame) for frame in sample["still_frames"]]
    if stills.shape != (len(frames), *video.shape[1:]) or stills.dtype != np.int32:
        shape = [len(frames), *video.shape[1:]]
        raise ValueError(f"stills of this clip must be int32{shape}, not {stills.dtype}{list(stills.shape)}")
    sound = np.asarray(sample["sound"])
    if sound.ndim != 2 or sound.dtype != np.int32:
        raise ValueError(f"codes of sound must be int32[F, L], not {sound.dtype}{list(sound.shape)}")
    head = {"captions": sample["captions"], "shape": video.shape, "still_frames": frames, "sound": sound.shape}
    codes = np.concatenate([video.reshape(-1), stills.reshape(-1), sound.reshape(-1)])
    return json.dumps(head).encode() + b"\n" + codes.astype("<i4").tobytes()


def _unpack(record: bytes) -> TokenSample:
    head, codes = record.split(b"\n", 1)
    fields = json.loads(head)
    length, *grid = fields["shape"]
    ids = np.frombuffer(codes, "<i4").astype(np.int32)
    pictures = (length + len(fields["still_frames"])) * math.prod(grid)
    frames = ids[:pictures].reshape(-1, *grid)
    return {
        "video": frames[:length],
        "captions": tuple(fields["captions"]),
        "stills": frames[length:],
        "still_frames": np.array(fields["still_frames"], np.int32),
        "sound": ids[pictures:].reshape(fields["sound"]),
    }


def _write_shard(path: Path, samples: Iterable[TokenSample], count: int) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    writer = ArrayRecordWriter(str(temporary), _WRITER_OPTIONS)
    written = 0
    for sample in samples:
        writer.write(_pack(sample))
        written += 1
    writer.close()
    if written != count:
        raise ValueError(f"{path.name} wants {count} samples and was given {written}")
    os.replace(temporary, path)


def _samples_in(path: Path) -> int:
    """How many samples a shard holds; 0 when it is missing or damaged."""
    try:
        return len(ArrayRecordDataSource(str(path))) if path.is_file() else 0
    except (RuntimeError, ValueError):
        return 0


def _missing(directory: Path, index: TokenIndex) -> list[str]:
    return [file for file, start, stop in index.shards() if _samples_in(directory / file) != stop - start]


def _write_index(directory: Path, index: TokenIndex) -> None:
    temporary = directory / f"{INDEX_FILE}.{os.getpid()}.tmp"
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
        runs = tuple(TokenRun(*(int(number) for number in run)) for run in fields.pop("runs"))
        made = fields.pop("sound")
        sound = made and SoundIndex(made[0], made[1], made[2], tuple(made[3]))
        return TokenIndex(runs=runs, sound=sound, **fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, RequestError):
            raise
        raise RequestError(f"{path} is damaged ({error}); tokenize the clips again") from error


def _check_same(directory: Path, there: TokenIndex, wanted: TokenIndex) -> None:
    """RequestError unless `there` is the begun or smaller form of `wanted`."""
    for field in ("tokenizer_hash", "fps", "time_stride", "source", "sound", "shard_size"):
        old, new = getattr(there, field), getattr(wanted, field)
        if old != new:
            raise RequestError(f"{directory} holds tokens with {field} {old}, not {new}; name a new folder")
    for old, new in zip(there.runs, wanted.runs, strict=False):
        if old[1:] != new[1:]:
            raise RequestError(f"{directory} holds tokens of clips of {old[1:]}, not {new[1:]}; name a new folder")
