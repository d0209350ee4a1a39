"""Does a build outlive what a folder may hold? Good films among files truncated, flipped, renamed, empty and lying.

    python benchmarks/mutated_media.py              # 200 mutated files
    python benchmarks/mutated_media.py --count 12   # as the tests do

The build has to end; every good file has to be in the set; every other file is in it too (a flipped bit may do no harm)
or is named with a reason; no process is left behind. Prints what was counted as JSON and ends with status 1 otherwise.
"""

import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from reelm.data.films.buckets import Buckets
from reelm.data.films.build import build
from reelm.data.films.cutting import CuttingConfig
from reelm.data.films.tfds import records
from reelm.media.formats.animations import write_animation
from reelm.media.formats.mp4 import write_video

CONFIG = CuttingConfig(buckets=Buckets(resolution=32, lengths=(1, 5)), test_share=0.2)


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to build."""

    count: int = 200
    """Mutated files."""
    processes: int = 2
    """Files read at a time."""
    seed: int = 0
    """Of the films and of what is done to them."""


def good_films(folder: Path, rng: np.random.Generator) -> None:
    """Four videos with sound, an animation and a picture."""
    for number, (height, width) in enumerate([(32, 32), (32, 56), (56, 32), (48, 48)]):
        noise = rng.integers(0, 256, (height // 4 + 9, width // 4 + 9, 3)).astype(np.uint8)
        texture = noise.repeat(4, 0).repeat(4, 1)
        frames = np.stack([texture[t : t + height, t : t + width] for t in range(30)])
        sound = 0.5 * np.sin(np.arange(16_000)[:, None] / 7, dtype=np.float32)
        write_video(folder / f"good{number}.mp4", frames, fps=30, audio=sound, sample_rate=16_000)
    write_animation(folder / "good4.gif", frames, seconds=np.arange(31) / 10)
    write_animation(folder / "good5.webp", frames[:1], seconds=np.arange(2) / 10)


def truncated(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(1, len(data))]


def flipped(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice([1, 8, 64])):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def renamed(data: bytes, rng: random.Random) -> bytes:
    """Something else under the name of a video."""
    return rng.choice(
        [b"no film at all\n" * 50, rng.randbytes(5000), b"RIFF\x24\0\0\0WAVEfmt ", b"\x7fELF" + data[:90]]
    )


def empty(data: bytes, rng: random.Random) -> bytes:
    return b""


def huge_header(data: bytes, rng: random.Random) -> bytes:
    """An mp4 or GIF that declares sizes, counts or times of up to four billion."""
    changed = bytearray(data)
    if data.startswith(b"GIF"):
        changed[6:10] = b"\xff\xff\xff\xff"
        return bytes(changed)
    boxes = [
        at for box in (b"avc1", b"tkhd", b"stsz", b"stts", b"mdhd", b"moov", b"trak") if (at := data.find(box)) > 0
    ]
    at = rng.choice(boxes) if boxes else 0
    begin = rng.choice([at - 4, at + 28, at + 12])  # the box's own size; a picture's; counts and durations
    changed[begin : begin + 4] = rng.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xea\x60\xea\x60"])
    return bytes(changed)


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (truncated, flipped, renamed, empty, huge_header)


def mutate(folder: Path, count: int, seed: int) -> Iterator[str]:
    """Writes `count` mutated files beside the good ones and yields their names."""
    rng = random.Random(seed)
    originals = sorted(folder.glob("good*"))
    for number in range(count):
        mutation, original = MUTATIONS[number % len(MUTATIONS)], rng.choice(originals)
        name = f"{mutation.__name__}{number:03d}{rng.choice([original.suffix, '.mp4', '.avi', '.webm'])}"
        (folder / name).write_bytes(mutation(original.read_bytes(), rng))
        yield name


def sources_in(name: str, data_dir: Path, splits: list[str]) -> set[str]:
    return {record["source"].decode() for split in splits for record in records(name, data_dir, split)}


def main() -> int:
    asked = tyro.cli(Arguments)
    with tempfile.TemporaryDirectory() as place:
        folder, data_dir = Path(place, "films"), Path(place, "sets")
        folder.mkdir()
        good_films(folder, np.random.default_rng(asked.seed))
        good = {path.name for path in folder.iterdir()}
        mutated = set(mutate(folder, asked.count, asked.seed))
        begun = time.monotonic()
        built = build(folder, "films", data_dir, CONFIG, processes=asked.processes, stall_seconds=20)
        seconds = time.monotonic() - begun
        inside, left_out = sources_in("films", data_dir, list(built.splits)), built.left_out
    try:
        os.waitpid(-1, os.WNOHANG)
        children = True
    except ChildProcessError:
        children = False
    faults = {
        "good files that are missing": sorted(good - inside),
        "files of which nothing is said": sorted(mutated - inside - set(left_out)),
        "files both in and out": sorted(inside & set(left_out)),
        "files without a reason": sorted(name for name, reason in left_out.items() if not reason.strip()),
        "processes left behind": children,
    }
    kinds = {"in the set": inside & mutated, "left out": set(left_out)}
    counted = {kind: Counter(name.partition(".")[0][:-3] for name in names) for kind, names in kinds.items()}
    print(
        json.dumps({"files": len(good | mutated), "seconds": round(seconds, 1), **counted, "faults": faults}, indent=1)
    )
    return int(any(faults.values()))


if __name__ == "__main__":
    sys.exit(main())
