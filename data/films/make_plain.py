"""Draws plain clips: `python -m reelm.data.films.make_plain FOLDER`.

Goes out: lossless films of flat colours, gradients and soft skies, still or slowly moving. Real footage holds little of
them, and a tokenizer that has never seen them draws textures where there are none.
"""

import argparse
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from reelm.media.pixels import Frames

_SIDE, _FPS = 168, 24


def clip(index: int, frames: int) -> Frames:
    """Return clip number `index`, uint8 `[frames, 168, 168, 3]`. Its number alone decides what it shows."""
    rng = np.random.default_rng([7, index])
    time = np.linspace(0, 1, frames)[:, None, None, None]
    moves = rng.random() < 0.5
    first, second = rng.uniform(0, 255, (2, 3))
    kind = ("flat", "gradient", "sky", "edge")[index % 4]
    if kind == "flat":
        if rng.random() < 0.3:  # greys are where a tint shows most
            first, second = (np.full(3, colour[0]) for colour in (first, second))
        share = time if moves else np.zeros_like(time)
    else:
        angle = rng.uniform(0, 2 * np.pi) + (moves * rng.uniform(-0.5, 0.5)) * time[..., 0]
        y, x = np.mgrid[0 : 1 : _SIDE * 1j, 0 : 1 : _SIDE * 1j] - 0.5
        along = x * np.cos(angle) + y * np.sin(angle) + moves * rng.uniform(-0.5, 0.5) * time[..., 0]
        if kind == "gradient":
            share = np.clip(0.5 + along * rng.uniform(0.3, 1.2), 0, 1)[..., None]
        elif kind == "sky":
            waves = rng.uniform(1, 6, 4)
            share = np.mean([0.5 + 0.5 * np.sin(2 * np.pi * wave * along + k) for k, wave in enumerate(waves)], 0)
            share = share[..., None]
        else:
            share = np.clip(0.5 + along * _SIDE, 0, 1)[..., None]
    pixels = first + (second - first) * share
    return np.broadcast_to(np.rint(pixels), (frames, _SIDE, _SIDE, 3)).astype(np.uint8)


def write(folder: Path, clips: int, frames: int) -> Iterator[Path]:
    """Write `clips` films of `frames` frames into a new folder, each lossless; yield their paths."""
    folder.mkdir(parents=True)
    for index in range(clips):
        path = folder / f"plain-{index:03}.mkv"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("ffv1", rate=Fraction(_FPS))
            stream.width = stream.height = _SIDE
            stream.pix_fmt = "bgr0"
            for picture in clip(index, frames):
                container.mux(
                    stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0"))
                )
            container.mux(stream.encode())
        yield path


def main() -> None:
    parser = argparse.ArgumentParser(description="Draws plain clips: flat colours, gradients, soft skies.")
    parser.add_argument("folder", type=Path, help="folder to write, not there yet")
    parser.add_argument("--clips", type=int, default=120, help="number of films (default: 120)")
    parser.add_argument("--frames", type=int, default=49, help="frames of each film (default: 49)")
    arguments = parser.parse_args()
    if arguments.folder.exists():
        parser.error(f"{arguments.folder} is there already")
    print(len(list(write(arguments.folder, arguments.clips, arguments.frames))))


if __name__ == "__main__":
    main()
