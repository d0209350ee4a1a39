"""Draw the clips of `reelm.data.plain` as lossless films: `python -m reelm.data.films.make_plain FOLDER`."""

import argparse
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

from reelm.data.plain import clip

_SIDE, _FPS = 168, 24


def write(folder: Path, clips: int, frames: int) -> Iterator[Path]:
    """Write `clips` films of `frames` frames into a new folder, each lossless; yield their paths."""
    folder.mkdir(parents=True)
    for index in range(clips):
        path = folder / f"plain-{index:03}.mkv"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("ffv1", rate=Fraction(_FPS))
            stream.width = stream.height = _SIDE
            stream.pix_fmt = "bgr0"
            for picture in clip(index, frames, _SIDE):
                container.mux(
                    stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0"))
                )
            container.mux(stream.encode())
        yield path


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw plain clips: flat colours, gradients, soft skies.")
    parser.add_argument("folder", type=Path, help="folder to write; it must not exist")
    parser.add_argument("--clips", type=int, default=120, help="number of films (default: 120)")
    parser.add_argument("--frames", type=int, default=49, help="frames of each film (default: 49)")
    arguments = parser.parse_args()
    if arguments.folder.exists():
        parser.error(f"{arguments.folder} exists already")
    print(len(list(write(arguments.folder, arguments.clips, arguments.frames))))


if __name__ == "__main__":
    main()
