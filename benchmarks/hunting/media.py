"""Good films, and what may become of the bytes of a file: truncated, flipped, renamed, empty, lying."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np

from reelm.media.formats.animations import write_animation
from reelm.media.formats.mp4 import write_video


def films(folder: Path, rng: np.random.Generator) -> None:
    """Write four videos with sound, an animation and a picture."""
    for number, (height, width) in enumerate([(32, 32), (32, 56), (56, 32), (48, 48)]):
        noise = rng.integers(0, 256, (height // 4 + 9, width // 4 + 9, 3)).astype(np.uint8)
        texture = noise.repeat(4, 0).repeat(4, 1)
        frames = np.stack([texture[t : t + height, t : t + width] for t in range(30)])
        sound = 0.5 * np.sin(np.arange(16_000)[:, None] / 7, dtype=np.float32)
        write_video(folder / f"good{number}.mp4", frames, fps=30, audio=sound, sample_rate=16_000)
    write_animation(folder / "good4.gif", frames, seconds=np.arange(31) / 10)
    write_animation(folder / "good5.webp", frames[:1], seconds=np.arange(2) / 10)


def truncated(data: bytes, rng: random.Random) -> bytes:
    """The beginning alone."""
    return data[: rng.randrange(1, max(2, len(data)))]


def flipped(data: bytes, rng: random.Random) -> bytes:
    """Some bits turned over."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 8, 64]) if data else 0):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def renamed(data: bytes, rng: random.Random) -> bytes:
    """Something else under the name of a video."""
    playlist = b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n#EXT-X-ENDLIST\n"
    return rng.choice(
        [b"no film at all\n" * 50, rng.randbytes(5000), b"RIFF\x24\0\0\0WAVEfmt ", b"\x7fELF" + data[:90], playlist]
    )


def empty(data: bytes, rng: random.Random) -> bytes:
    """Nothing."""
    return b""


def lying(data: bytes, rng: random.Random) -> bytes:
    """A container or GIF that declares sizes, counts or times of up to four billion."""
    changed = bytearray(data)
    if data.startswith(b"GIF"):
        changed[6:10] = b"\xff\xff\xff\xff"
        return bytes(changed)
    names = (b"avc1", b"tkhd", b"stsz", b"stts", b"mdhd", b"moov", b"trak", b"IHDR", b"VP8X", b"ispe", b"fmt ", b"data")
    boxes = [at for name in names if (at := data.find(name)) > 0]
    at = rng.choice(boxes) if boxes else 0
    begin = max(0, rng.choice([at - 4, at + 4, at + 8, at + 28, at + 12]))
    changed[begin : begin + 4] = rng.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xea\x60\xea\x60"])
    return bytes(changed)


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (truncated, flipped, renamed, empty, lying)
