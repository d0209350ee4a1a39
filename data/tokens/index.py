"""The index of a token set: its origin, and the shapes of its samples in order."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from array_record.python.array_record_data_source import ArrayRecordDataSource

from reelm.errors import RequestError
from reelm.media.limits import MAX_FPS, MIN_FPS
from reelm.storage.atomic import write_json
from reelm.storage.fields import check_format, parsed, read_json

INDEX_FILE = "index.json"
_FORMAT = 8
_MOST_SHARDS = 1_000_000


class SoundIndex(NamedTuple):
    """Audio tokenizer of a token set. `frames`: audio frames of the first latent frame, and of each later one."""

    tokenizer_hash: str
    levels: int
    bits: int
    frames: tuple[int, int]


class KeyIndex(NamedTuple):
    """Names of the keys of a game, and the most that were held at once."""

    names: tuple[str, ...]
    at_once: int


class TokenRun(NamedTuple):
    """Consecutive samples whose clips have one shape: their number, frames, and height and width in pixels."""

    samples: int
    frames: int
    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class TokenIndex:
    """The content of `index.json`: `runs` are the samples by shape, in order; each shard holds the next `shard_size`.

    time_stride: frames in each latent frame after the first.
    sound: None for a set without codes of sound.
    keys: None for clips that are not of a game.
    controls: fields of a `TokenSample` that can steer the clips.
    scale: size of the clips divided by the size that the encoder saw; see `decoder_scale` of a video tokenizer.
    """

    tokenizer_hash: str
    fps: float
    time_stride: int
    runs: tuple[TokenRun, ...]
    shard_size: int
    source: Mapping[str, Any]
    sound: SoundIndex | None = None
    keys: KeyIndex | None = None
    controls: tuple[str, ...] = ()
    scale: int = 1
    complete: bool = False

    def __post_init__(self) -> None:
        if self.shard_size < 1 or self.time_stride < 1 or not MIN_FPS <= self.fps <= MAX_FPS:
            raise RequestError(f"shard_size {self.shard_size}, time_stride {self.time_stride}, fps {self.fps}")
        if any(run.samples < 0 or min(run[1:]) < 1 for run in self.runs):
            raise RequestError("its runs have samples whose shapes are not above 0")
        if self.num_samples > _MOST_SHARDS * self.shard_size:
            raise RequestError(f"its runs have {self.num_samples} samples in shards of {self.shard_size}")

    @property
    def num_samples(self) -> int:
        return sum(run.samples for run in self.runs)

    @property
    def usual(self) -> TokenRun:
        """The most common shape, taken as that of the whole set; see `most_common`."""
        return most_common(self.runs)

    def shards(self) -> list[tuple[str, int, int]]:
        """Return (file, its first sample, the first sample after it) of each shard."""
        starts = range(0, self.num_samples, self.shard_size)
        ends = [min(start + self.shard_size, self.num_samples) for start in starts]
        return [(f"tokens-{k:05d}.array_record", *span) for k, span in enumerate(zip(starts, ends, strict=True))]


def most_common(runs: Iterable[TokenRun]) -> TokenRun:
    """Return the run with the most samples; of equal ones, that of the longest and largest clips."""
    return max(runs, key=lambda run: (run.samples, run.frames, run.height, run.width))


def samples_in(path: Path) -> int:
    """Return the number of samples in a shard; 0 if it is missing or damaged."""
    try:
        return len(ArrayRecordDataSource(str(path))) if path.is_file() else 0
    except (RuntimeError, ValueError):
        return 0


def missing_shards(directory: Path, index: TokenIndex) -> list[str]:
    return [file for file, start, stop in index.shards() if samples_in(directory / file) != stop - start]


def write_index(directory: Path, index: TokenIndex) -> None:
    write_json(directory / INDEX_FILE, {"format": _FORMAT, **asdict(index)})


def read_index(directory: Path) -> TokenIndex:
    path = directory / INDEX_FILE
    if not path.is_file():
        raise RequestError(f"{directory} holds no token set (no {INDEX_FILE}); make one with reelm data tokenize")
    try:
        fields = check_format(read_json(path), _FORMAT, str(path))
        return parsed(TokenIndex, fields, str(path))
    except RequestError as error:
        raise RequestError(f"{error}; tokenize the clips again") from error


def check_same(directory: Path, there: TokenIndex, wanted: TokenIndex) -> None:
    """Check that `there` is an unfinished or smaller version of `wanted`; RequestError if not."""
    for field in ("tokenizer_hash", "fps", "time_stride", "source", "sound", "keys", "controls", "scale", "shard_size"):
        old, new = getattr(there, field), getattr(wanted, field)
        if old != new:
            raise RequestError(f"{directory} holds tokens with {field} {old}, not {new}; name a new folder")
    for old, new in zip(there.runs, wanted.runs, strict=False):
        if old[1:] != new[1:]:
            raise RequestError(f"{directory} holds tokens of clips of {old[1:]}, not {new[1:]}; name a new folder")
