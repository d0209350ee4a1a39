"""Gathers more voices, for the describer to learn: `python -m reelm.data.moving_digits.more_voices --fsdd DIR`.

Comes in: a checkout of the Free Spoken Digit Dataset (github.com/Jakobovski/free-spoken-digit-dataset), of which the
speakers of training are taken in all their takes, and the commands `flite` and `espeak-ng` on the path, which say the
same words in many voices. No test clip is spoken with any of them. Goes out: `$REELM_HOME/more_voices.npz`, with which
the data set `moving_digits_voices` speaks. It does not ship: the describer that learned from it does.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reelm.storage.arrays import write_arrays

from .make_voices import FSDD, Take, packed, read, spoken
from .scenes import DIGIT_WORDS
from .voices import more_voices_file

_FSDD_TAKES = 50
FLITE = ("slt", "awb", "kal16", "kal")
_FLITE_STRETCHES = ("0.8", "0.9", "1.0", "1.15", "1.3")
_ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-029", "en-us-nyc", "en-gb-x-gbclan", "en-gb-x-gbcwmd")
# All but f3 and m7, which test clips are spoken with, those derived from them, and robots.
VARIANTS = (
    "f1 f2 f4 f5 m1 m2 m3 m4 m5 m6 m8 klatt klatt2 klatt3 klatt4 grandma grandpa Alex Alicia Andrea Andy Annie anika "
    "Antonio belinda benjamin boris caleb david ed edward gene gustave Henrique Hugo iven jacky John Lee linda Marco "
    "Mario max Michael miguel Mike norbert pablo paul pedro quincy rob robert sandro shelby steph travis victor zac"
).split()
_SPEEDS_AND_PITCHES = (("140", "35"), ("175", "55"))


def gather(fsdd: Path) -> Iterator[Take]:
    """All recordings; a speaker's name begins with where it is from."""
    for speaker in FSDD["train"]:
        for digit in range(10):
            for take in range(_FSDD_TAKES):
                yield Take(f"fsdd-{speaker}", digit, read(fsdd / "recordings" / f"{digit}_{speaker}_{take}.wav"))
    for digit, word in enumerate(DIGIT_WORDS):
        for voice in FLITE:
            for stretch in _FLITE_STRETCHES:
                setting = f"duration_stretch={stretch}"
                command = ("flite", "-voice", voice, "--setf", setting, "-t", f"{word}.", "-o")
                yield Take(f"flite-{voice}", digit, spoken(*command))
        for number, variant in enumerate(VARIANTS):
            voice = f"{_ACCENTS[number % len(_ACCENTS)]}+{variant}"
            for speed, pitch in _SPEEDS_AND_PITCHES:
                command = ("espeak-ng", "-v", voice, "-s", speed, "-p", pitch, word, "-w")
                yield Take(f"espeak-{voice}", digit, spoken(*command))


def main() -> None:
    parser = argparse.ArgumentParser(description="Gathers voices beside those that ship.")
    parser.add_argument("--fsdd", type=Path, required=True, help="checkout of the Free Spoken Digit Dataset")
    takes, out = list(gather(parser.parse_args().fsdd)), more_voices_file()
    arrays: dict[str, Any] = packed(takes, "train")
    out.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(out, arrays)
    print(f"{out}: {len(takes)} recordings of {len({take.speaker for take in takes})} speakers")


if __name__ == "__main__":
    main()
