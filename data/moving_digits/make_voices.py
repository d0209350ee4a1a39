"""Gathers the spoken digits that ship: `python -m reelm.data.moving_digits.make_voices --fsdd DIR --asterisk DIR`.

Comes in: a checkout of the Free Spoken Digit Dataset (github.com/Jakobovski/free-spoken-digit-dataset), the folder
`digits` of Debian's asterisk-core-sounds-en-wav, and the commands `flite` and `espeak-ng` on the path, which say the
same words in further voices. Goes out: `voices.npz`. Each recording is trimmed to its word, brought to one loudness
and to 8 kHz. Speakers, not recordings, are split between training and testing.
"""

import argparse
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

from reelm.media.sound import resample
from reelm.storage.arrays import write_arrays

from .scenes import DIGIT_WORDS
from .voices import VOICES_FILE, VOICES_RATE, Split, to_mu_law

FSDD: dict[Split, tuple[str, ...]] = {"train": ("jackson", "nicolas", "lucas", "yweweler"), "test": ("theo", "george")}
_FSDD_TAKES: dict[Split, int] = {"train": 10, "test": 6}
_ASTERISK: dict[Split, tuple[str, ...]] = {"train": (), "test": ("allison",)}
_FLITE: dict[Split, tuple[str, ...]] = {"train": ("slt", "awb", "kal16"), "test": ("rms",)}
_ESPEAK: dict[Split, tuple[str, ...]] = {
    "train": ("en-us+f4", "en-gb+f2", "en-us+m3", "en-gb-scotland+m1", "en-029+f5"),
    "test": ("en-us+f3", "en-gb-x-rp+m7"),
}
_FLITE_STRETCHES = ("0.9", "1.05", "1.2")
_ESPEAK_SPEEDS_AND_PITCHES = (("150", "40"), ("170", "60"))

_LOUDNESS = 0.1  # root mean square of a word
_FRAME = VOICES_RATE // 100
_LONGEST = 0.9  # seconds


class Take(NamedTuple):
    """One recording: samples [S] at VOICES_RATE."""

    speaker: str
    digit: int
    samples: np.ndarray


def gather(split: Split, fsdd: Path, asterisk: Path) -> Iterator[Take]:
    """All recordings of a split."""
    for speaker in FSDD[split]:
        for digit in range(10):
            for take in np.arange(_FSDD_TAKES[split]) * 50 // _FSDD_TAKES[split]:
                yield Take(f"fsdd-{speaker}", digit, read(fsdd / "recordings" / f"{digit}_{speaker}_{take}.wav"))
    for speaker in _ASTERISK[split]:
        for digit in range(10):
            yield Take(f"asterisk-{speaker}", digit, read(asterisk / f"{digit}.wav"))
    for voice in _FLITE[split]:
        for digit, word in enumerate(DIGIT_WORDS):
            for stretch in _FLITE_STRETCHES:
                command = ("flite", "-voice", voice, "--setf", f"duration_stretch={stretch}", "-t", f"{word}.", "-o")
                yield Take(f"flite-{voice}", digit, spoken(*command))
    for voice in _ESPEAK[split]:
        for digit, word in enumerate(DIGIT_WORDS):
            for speed, pitch in _ESPEAK_SPEEDS_AND_PITCHES:
                yield Take(
                    f"espeak-{voice}", digit, spoken("espeak-ng", "-v", voice, "-s", speed, "-p", pitch, word, "-w")
                )


def spoken(*command: str, after: Sequence[str] = (), said: str = "") -> np.ndarray:
    """What a command writes to the file whose name follows it, and then what comes `after`; it reads what is `said`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "word.wav"
        subprocess.run([*command, str(path), *after], check=True, capture_output=True, input=said.encode())
        return read(path)


def read(path: Path) -> np.ndarray:
    """A recording at VOICES_RATE, trimmed to its word, of one loudness, faded at both ends."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        rate = stream.rate
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=rate)
        frames = [*container.decode(stream), None]
        sound = np.concatenate([piece.to_ndarray()[0] for frame in frames for piece in resampler.resample(frame)])
    sound = resample(sound[None, :, None], rate, VOICES_RATE)[0, :, 0]
    sound = sound - sound.mean()
    sound = np.pad(sound, (0, -len(sound) % _FRAME))
    level = np.sqrt(np.mean(np.square(sound.reshape(-1, _FRAME)), axis=1))
    loud = np.flatnonzero(level > 0.04 * level.max())
    # A little before and after: an f or an x is soft.
    first, last = max(0, loud[0] - 2) * _FRAME, min(len(level), loud[-1] + 4) * _FRAME
    sound = sound[first:last][: int(_LONGEST * VOICES_RATE)]
    sound = sound * min(_LOUDNESS / np.sqrt(np.mean(np.square(sound))), 0.95 / np.abs(sound).max())
    fade = np.sin(np.linspace(0, np.pi / 2, _FRAME)) ** 2
    sound[:_FRAME] *= fade
    sound[-_FRAME:] *= fade[::-1]
    return sound


def packed(takes: Sequence[Take], part: str) -> dict[str, np.ndarray]:
    """The arrays as which recordings are stored, their names beginning with `part`: see `voices.read`."""
    names = list(dict.fromkeys(take.speaker for take in takes))
    return {
        f"{part}_names": np.array(names),
        f"{part}_digits": np.array([take.digit for take in takes], np.uint8),
        f"{part}_speakers": np.array([names.index(take.speaker) for take in takes], np.uint8),
        f"{part}_codes": np.concatenate([to_mu_law(take.samples) for take in takes]),
        f"{part}_ends": np.cumsum([len(take.samples) for take in takes]).astype(np.int32),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Gathers the spoken digits that ship.")
    parser.add_argument("--fsdd", type=Path, required=True, help="checkout of the Free Spoken Digit Dataset")
    parser.add_argument("--asterisk", type=Path, required=True, help="folder with 0.wav to 9.wav")
    arguments = parser.parse_args()
    arrays: dict[str, Any] = {}
    for split in ("train", "test"):
        arrays |= packed(list(gather(split, arguments.fsdd, arguments.asterisk)), split)
    write_arrays(VOICES_FILE, arrays)
    print(f"{VOICES_FILE.name}: {VOICES_FILE.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
