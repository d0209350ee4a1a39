"""Gathers what the judge of spoken digits learns from besides the speakers of training: many voices, none of the test.

`python -m reelm.evaluation.judges.make_voices OUT.npz --fsdd DIR --speech-commands DIR --captcha DIR`

Comes in: recordings by people, namely a checkout of the Free Spoken Digit Dataset, of which the speakers of training
are taken in all their takes; folders `zero` ... `nine` of Google's Speech Commands (Warden 2018), whole or a part; the
folders `0` ... `9` of the package `captcha`; and the commands `flite`, `pico2wave`, `RHVoice-test` and `espeak-ng` on
the path, which say the same words in further voices. Goes out: an `.npz` file for `train_spoken_digits.py`. It does not
ship: only the judge does.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reelm.data.moving_digits import more_voices
from reelm.data.moving_digits.make_voices import Take, packed, read, spoken
from reelm.data.moving_digits.scenes import DIGIT_WORDS
from reelm.storage.arrays import write_arrays

_PICO = ("en-US", "en-GB")
_RHVOICE = ("alan", "bdl", "clb", "slt")
_RATES_AND_PITCHES = (("85", "90"), ("100", "100"), ("115", "112"), ("135", "100"))  # percent


def gather(fsdd: Path, speech_commands: Path, captcha: Path) -> Iterator[Take]:
    """All recordings; a speaker's name begins with where it is from."""
    yield from more_voices.gather(fsdd)
    for digit, word in enumerate(DIGIT_WORDS):
        for path in sorted((speech_commands / word).glob("*.wav")):
            yield Take(f"commands-{path.name.split('_')[0]}", digit, read(path))
        for path in sorted((captcha / str(digit)).glob("*.wav")):
            yield Take(f"captcha-{path.stem}", digit, read(path))
        yield from _synthetic(digit, word)


def _synthetic(digit: int, word: str) -> Iterator[Take]:
    for voice in _PICO:
        for rate, pitch in _RATES_AND_PITCHES:
            text = f'<speed level="{rate}"><pitch level="{pitch}">{word}.</pitch></speed>'
            yield Take(f"pico-{voice}", digit, spoken("pico2wave", "-l", voice, "-w", after=(text,)))
    for voice in _RHVOICE:
        for rate, pitch in _RATES_AND_PITCHES:
            command = ("RHVoice-test", "-p", voice, "-r", rate, "-t", pitch, "-o")
            yield Take(f"rhvoice-{voice}", digit, spoken(*command, said=f"{word}."))


def main() -> None:
    parser = argparse.ArgumentParser(description="Gathers the voices that the judge of spoken digits learns from.")
    parser.add_argument("out", type=Path, help="the file to write, .npz")
    parser.add_argument("--fsdd", type=Path, required=True, help="checkout of the Free Spoken Digit Dataset")
    parser.add_argument("--speech-commands", type=Path, required=True, help="folder with zero to nine")
    parser.add_argument("--captcha", type=Path, required=True, help="folder with 0 to 9")
    arguments = parser.parse_args()
    takes = list(gather(arguments.fsdd, arguments.speech_commands, arguments.captcha))
    arrays: dict[str, Any] = packed(takes, "judge")
    write_arrays(arguments.out, arrays)
    print(f"{arguments.out.name}: {len(takes)} recordings of {len({take.speaker for take in takes})} speakers")


if __name__ == "__main__":
    main()
