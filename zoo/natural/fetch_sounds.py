"""Fetch the packages of any_sound: `python -m reelm.zoo.natural.fetch_sounds -o FOLDER`, or `--list` to see them.

Out: a folder with the packages, fetched by the user's own apt-get, and in its `licences/` the copyright file of each.
Nothing is installed.
"""

import argparse
import subprocess
from pathlib import Path

from reelm.errors import RequestError
from reelm.storage.atomic import write_bytes

from .archives import members
from .sound_packages import PACKAGES, contents


def fetch(output: Path) -> None:
    """Fetch the packages into `output`, which may hold some; RequestError when apt-get does not fetch all."""
    output.mkdir(parents=True, exist_ok=True)
    missing = [package for package in PACKAGES if not [*output.glob(f"{package}_*.deb")]]
    if missing:
        try:
            subprocess.run(["apt-get", "download", "--", *missing], cwd=output, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise RequestError(f"apt-get did not fetch {', '.join(missing)} ({error}); try apt-get update") from error
    keep_licences(output)


def keep_licences(folder: Path) -> None:
    """Write the copyright file of each package in `folder` to `licences/PACKAGE`."""
    (folder / "licences").mkdir(exist_ok=True)
    for path in sorted(folder.glob("*_*.deb")):
        package = path.name.partition("_")[0]
        for name, read in members(path):
            if name == f"usr/share/doc/{package}/copyright":
                write_bytes(folder / "licences" / package, read())


def main() -> None:
    parser = argparse.ArgumentParser(description="Fetches the packages of any_sound.")
    parser.add_argument("-o", "--output", type=Path, help="folder to fetch the packages into")
    parser.add_argument("--list", action="store_true", help="print each package and the kinds of sound used from it")
    arguments = parser.parse_args()
    if arguments.list:
        for package in PACKAGES:
            print(f"{package:34}{', '.join(contents(package))}")
    elif arguments.output is None:
        parser.error("name a folder with -o, or --list the packages")
    else:
        fetch(arguments.output)


if __name__ == "__main__":
    main()
