"""Read mutated files at every door: none may crash a process, take long, or raise more than one line.

    python benchmarks/fuzz.py --files 10000

Seeds are small pictures, films and sounds in the formats that are read, a checkpoint of torch, safetensors and a
recording. Each is changed by flipped bits, by bytes and lengths that are replaced, by cuts and by splices with another
seed. A child process reads many, one after another, and says before each which one it is. A child that dies, or is
silent for longer than the limit, is a finding, as is an error that is no `RequestError` of one line. The last of each
kind of seed are read by `media/untrusted.py`, as a server reads them.
"""

import argparse
import json
import random
import selectors
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from reelm.data.recordings.recording import Recording
from reelm.errors import RequestError
from reelm.media.read import read_image, read_note, read_sound, read_video
from reelm.media.untrusted import Readers, ReadingLimits
from reelm.storage.foreign.torch_checkpoint import opened

SECONDS = 20.0  # for one file
SIZE = {"size": (64, 64)}
ROOT = Path(__file__).parents[1]


def pictures(folder: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    frame = Image.fromarray(rng.integers(0, 256, (40, 56, 3), np.uint8))
    paths = []
    for kind in ("png", "jpeg", "gif", "webp", "bmp", "tiff", "avif"):
        path = folder / f"still.{kind}"
        frame.save(path)
        paths.append(path)
    for kind in ("gif", "webp", "png"):
        path = folder / f"moving.{kind}"
        frames = [Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8)) for _ in range(5)]
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
        paths.append(path)
    return paths


def films(folder: Path) -> list[Path]:
    rng, paths = np.random.default_rng(1), []
    kinds = {
        "mp4": ("libx264", "aac"),
        "mkv": ("ffv1", "aac"),
        "webm": ("libvpx-vp9", "libopus"),
        "avi": ("mpeg4", "mp3"),
    }
    for suffix, (picture, sound) in kinds.items():
        path = folder / f"film.{suffix}"
        with av.open(str(path), "w") as file:
            video: Any = file.add_stream(picture, rate=8)
            video.width = video.height = 48
            video.pix_fmt = "bgr0" if picture == "ffv1" else "yuv420p"
            heard: Any = file.add_stream(sound, rate=48_000)
            heard.layout = "mono"
            for number in range(8):
                frame = av.VideoFrame.from_ndarray(rng.integers(0, 256, (48, 48, 3), np.uint8), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 8)
                file.mux(video.encode(frame))
            file.mux(video.encode(None))
            samples = av.AudioFrame.from_ndarray(rng.uniform(-1, 1, (1, 48_000)).astype(np.float32), "fltp", "mono")
            samples.sample_rate = 48_000
            file.mux(heard.encode(samples))
            file.mux(heard.encode(None))
        paths.append(path)
    return paths


def sounds(folder: Path) -> list[Path]:
    paths = []
    for suffix, codec in (("wav", "pcm_s16le"), ("mp3", "mp3"), ("ogg", "libopus")):
        path = folder / f"sound.{suffix}"
        with av.open(str(path), "w") as file:
            heard: Any = file.add_stream(codec, rate=48_000)
            heard.layout = "mono"
            tone = np.sin(np.arange(8_000) / 9).astype(np.float32)
            samples = av.AudioFrame.from_ndarray(tone[None], "fltp", "mono")
            samples.sample_rate = 48_000
            kind = heard.codec_context.codec.audio_formats[0].name
            for frame in av.AudioResampler(kind, "mono", 48_000).resample(samples):
                file.mux(heard.encode(frame))
            file.mux(heard.encode(None))
        paths.append(path)
    return paths


def others(folder: Path) -> list[Path]:
    rng = np.random.default_rng(2)
    frames = rng.integers(0, 256, (8, 16, 24, 3), np.uint8)
    Recording(frames, rng.random((8, 2)) < 0.5, ("left", "fire"), 8.0).save(folder / "played.npz")
    return [folder / "played.npz", ROOT / "tests/made/vidtok_tiny.ckpt"]


def checkpoint(path: str) -> None:
    with opened(Path(path)) as file:
        for name in file.shapes:
            file.read(name)


# What reads a seed, by its suffix.
DOORS: dict[str, list[Callable[[str], Any]]] = {
    "picture": [lambda path: read_image(path, **SIZE), lambda path: read_video(path, fps=8, **SIZE), read_note],
    "film": [lambda path: read_video(path, fps=8, **SIZE), read_sound, read_note],
    "sound": [read_sound],
    ".npz": [lambda path: Recording.open(Path(path))],
    ".ckpt": [checkpoint],
}


def mutated(seed: bytes, other: bytes, rng: random.Random) -> bytes:
    """Return the bytes of a seed, changed in one to four ways."""
    content = bytearray(seed)
    for _ in range(rng.randrange(1, 5)):
        at, way = rng.randrange(len(content)), rng.randrange(6)
        if way == 0:
            for _ in range(rng.randrange(1, 30)):
                content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        elif way == 1:
            content[at : at + 4] = rng.choice(
                (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4), b"\0\0\0\1", b"\1\0\0\0")
            )
        elif way == 2:
            del content[at:]
        elif way == 3:
            del content[at : at + rng.randrange(1, 64)]
        elif way == 4:
            content[at:at] = content[rng.randrange(len(content)) :][: rng.randrange(1, 200)]
        else:
            content[at:] = other[rng.randrange(len(other)) :]
        content = content or bytearray(b"\0")
    return bytes(content)


def kind_of(path: Path) -> str:
    if path.suffix in DOORS:
        return path.suffix
    return "picture" if path.stem in ("still", "moving") else path.stem


def child(folder: Path, first: int, count: int) -> None:
    """Read files, and print a line before each and one after it."""
    warnings.simplefilter("ignore")
    seeds = sorted(path for path in folder.glob("*.*") if not path.name.startswith("mutated"))
    readers = Readers(ReadingLimits(seconds=SECONDS))
    for number in range(first, first + count):
        rng = random.Random(number)
        seed = seeds[number % len(seeds)]
        path = folder / f"mutated-{first}{seed.suffix}"
        path.write_bytes(mutated(seed.read_bytes(), rng.choice(seeds).read_bytes(), rng))
        doors = DOORS[kind_of(seed)]
        door = doors[(number // len(seeds)) % len(doors)]
        print(json.dumps({"number": number, "seed": seed.name}), flush=True)
        given: Any = str(path)
        if seed.suffix not in DOORS and rng.random() < 0.05:
            given = readers.files({"it": given})["it"]
        try:
            door(given)
            came = "read"
        except RequestError as error:
            came = "refused" if "\n" not in str(error) and str(error).isprintable() else f"wording: {error!r}"
        except Exception as error:
            came = f"raised {type(error).__name__}: {error}"
        print(json.dumps({"came": came}), flush=True)
    readers.close()


def parent(files: int, begin: int) -> int:
    """Have all files read; return the number of findings."""
    came, findings, slowest = Counter[str](), list[str](), 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in [*pictures(folder), *films(folder), *sounds(folder), *others(folder)]:
            if path.parent != folder:
                (folder / path.name).write_bytes(path.read_bytes())
        number, end = begin, begin + files
        while number < end:
            command = [
                sys.executable,
                __file__,
                "--child",
                name,
                "--begin",
                str(number),
                "--files",
                str(min(500, end - number)),
            ]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            assert process.stdout is not None
            last: dict[str, Any] = {}
            with selectors.DefaultSelector() as selector:
                selector.register(process.stdout, selectors.EVENT_READ)
                rest, heard, started = b"", time.monotonic(), False
                while True:
                    if not selector.select(SECONDS + 10 if started else 120):
                        findings.append(f"{last}: silent for {SECONDS + 10:.0f} s")
                        break
                    if not (data := process.stdout.read1(65536)):  # type: ignore[attr-defined]
                        if process.wait() != 0:
                            findings.append(f"{last}: the process ended with {process.returncode}")
                        break
                    *lines, rest = (rest + data).split(b"\n")
                    for line in map(json.loads, lines):
                        started = True
                        if "number" in line:
                            last, heard, number = line, time.monotonic(), line["number"] + 1
                            continue
                        slowest = max(slowest, time.monotonic() - heard)
                        came[line["came"].partition(":")[0]] += 1
                        if line["came"] not in ("read", "refused"):
                            findings.append(f"{last}: {line['came'][:300]}")
            process.kill()
            process.wait()
            process.stdout.close()
    print(f"{files} files: {dict(came)}; the slowest took {slowest:.2f} s; {len(findings)} findings")
    for finding in findings[:40]:
        print(finding)
    return len(findings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument(
        "--begin", type=int, default=0, help="number of the first file, which is the seed of its changes"
    )
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.begin, options.files)
    else:
        sys.exit(parent(options.files, options.begin) > 0)


if __name__ == "__main__":
    main()
