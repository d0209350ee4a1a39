"""Check that reelm reads films as FFmpeg does: number of frames, times, colours, and alignment of sound.

    python benchmarks/films/compare.py --seed 31 --files 100

Each file is equal, or differs and a message of reelm explains it (a refusal, a warning), or is a fault, which is
printed as a line of JSON. The last line has the counts. It needs an ffmpeg: one on PATH, or `pip install
imageio-ffmpeg`.
"""

import json
import logging
import random
import re
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from drawn import Drawn, draw
from ffmpeg import RATE, Ffmpeg, Shown, clicks, looks, program

from reelm.errors import RequestError
from reelm.media.clip import Clip
from reelm.media.film import open_film

_TIME, _SOUND, _MEAN, _PART = 1.1e-3, 5e-3, 3.0, 12.0  # seconds, seconds, and of 255: all of a frame, a sixteenth
_RECORDED = 12e-3  # seconds that encoders may put before the sound
_ASTRAY = 0.15  # tolerance in seconds for times that go back
_WHITE = 200  # of 255, from which a frame counts as a flash
_SECONDS = 60  # limit for one file
# Messages of reelm, and the difference that each explains.
_SAID = {
    r"high dynamic range": "colour",
    r"changes its sound|cancel each other|lasts into what follows|no places": "sound",
}


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The files to generate."""

    seed: int = 0
    """Seed of the files."""
    files: int = 100
    """How many."""
    only: int | None = None
    """Number of a single file to check."""
    keep: Path | None = None
    """Folder to keep the files that are faults."""


class _Listening(logging.Handler):
    """Collects the messages of the log `reelm`."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def main(asked: Arguments) -> int:
    """Compare, and return the status: 1 if there are faults, 2 without an ffmpeg."""
    path = program()
    if path is None:
        print("there is no ffmpeg on PATH; install one, or: pip install imageio-ffmpeg", file=sys.stderr)
        return 2
    ffmpeg, listening = Ffmpeg(path), _Listening()
    logging.getLogger("reelm").addHandler(listening)
    logging.getLogger("reelm").propagate = False
    signal.signal(signal.SIGALRM, _late)
    counts, sentences = Counter[str](), Counter[str]()
    for number in [asked.only] if asked.only is not None else range(asked.files):
        with tempfile.TemporaryDirectory() as folder:
            drawn = draw(random.Random(f"{asked.seed} {number}"), ffmpeg, Path(folder), f"{number}")
            listening.said.clear()
            kind, told = _judged(drawn, ffmpeg, listening.said)
            counts[kind] += 1
            sentences.update({_plain(each) for each in listening.said})
            if kind == "fault":
                again = f"python benchmarks/films/compare.py --seed {asked.seed} --only {number}"
                print(json.dumps({"differs": told, "file": drawn.path.name, **drawn.told, "again": again}), flush=True)
                if asked.keep is not None:
                    asked.keep.mkdir(parents=True, exist_ok=True)
                    shutil.copy(drawn.path, asked.keep / f"{asked.seed}-{drawn.path.name}")
    print(json.dumps({"seed": asked.seed, **counts, "sentences": dict(sentences)}))
    return int(bool(counts["fault"]))


def _late(*_: object) -> None:
    raise TimeoutError(f"no end after {_SECONDS} s")


def _plain(sentence: str) -> str:
    return re.sub(r"'[^']*'", "FILE", re.sub(r"(?<!\w)[0-9.]+", "N", sentence))


def _judged(drawn: Drawn, ffmpeg: Ffmpeg, said: list[str]) -> tuple[str, list[str]]:
    """Return "equal", "explained" or "fault", and the differences."""
    signal.alarm(_SECONDS)
    try:
        told = differences(drawn, ffmpeg)
    except RequestError as error:
        said.append(str(error))
        return "explained", [str(error)]
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return "fault", [f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"]
    finally:
        signal.alarm(0)
    left = dict(told)
    for sentence, kind in _SAID.items():
        if any(re.search(sentence, each) for each in said):
            left.pop(kind, None)
    return ("equal" if not told else "fault" if left else "explained"), [*left.values()] or [*told.values()]


def differences(drawn: Drawn, ffmpeg: Ffmpeg) -> dict[str, str]:
    """Return the differences between reelm and FFmpeg: a sentence for each of "count", "times", "colour" ..."""
    picture, sound = "0:v:0", "0:a:0" if "sound" in drawn.told else None
    if drawn.told["twist"] == "two tracks":
        picture, sound = ffmpeg.tracks(drawn.path)
    joined = drawn.told["twist"] in ("joined", "layout changes")
    asked = {"joined": joined, "woven": drawn.interlaced, "wide": drawn.wide, "alpha": drawn.alpha}
    wanted = ffmpeg.picture(drawn.path, picture, **asked)
    if wanted is None:
        Clip.open(drawn.path)  # must be refused too
        return {"tracks": "ffmpeg reads no frame"}
    if drawn.path.suffix == ".gif":  # browsers show a hundredth of a second as a tenth, and so does reelm
        lasting = np.diff(wanted.times)
        wanted = replace(wanted, times=np.cumsum([0, *np.where(lasting < 0.011, 0.1, lasting)]), last=0)
    found = {}
    film = open_film(drawn.path)
    frames = [(frame.start, frame.end, frame.pixels) for frame in film.frames]
    if joined and len(frames) == len(wanted.times):  # by the picture; FFmpeg goes on after the longer track
        wanted = replace(wanted, times=np.array([start for start, *_ in frames]))
    found |= _pictures(drawn, wanted, frames)
    clip = Clip.open(drawn.path)
    found |= _clip(wanted, clip, "times" in drawn.told)
    if sound is None:
        return found | ({} if clip.audio is None else {"sound": "there is sound where none was recorded"})
    end = wanted.times[-1] + wanted.last
    # AVI starts both at zero. With B-frames FFmpeg shows the first picture later, by the number that it holds back.
    start = 0.0 if drawn.path.suffix == ".avi" else wanted.start
    heard = clicks(ffmpeg.sound(drawn.path, sound, start, joined=joined), RATE)
    step = 0.0
    if joined:
        white = looks(np.stack([pixels for *_, pixels in frames])).mean((1, 2, 3)) > _WHITE
        heard, step = wanted.times[white & ~np.roll(white, 1)], 1 / clip.fps
    for name, own, rate in (("clip", clip.audio, clip.sample_rate), ("film", film.whole_sound(), film.sample_rate)):
        found |= _sounds(name, heard, own, rate or RATE, end, drawn.late, _RECORDED + step if joined else _SOUND)
    return found


def _pictures(drawn: Drawn, wanted: Shown, frames: list[tuple[float, float, np.ndarray]]) -> dict[str, str]:
    found: dict[str, str] = {}
    if len(frames) != len(wanted.times):
        return {"count": f"{len(frames)} frames for {len(wanted.times)}"}
    times = np.array([start for start, *_ in frames])
    back = np.diff(wanted.times, prepend=-1).min() <= 0  # times that no viewer could follow
    if (off := np.abs(times - wanted.times)).max() > (_ASTRAY if back else _TIME):
        found["times"] = f"frame {off.argmax()} at {times[off.argmax()]:.4f} for {wanted.times[off.argmax()]:.4f} s"
    last = frames[-1][1] - frames[-1][0]
    if wanted.last and not drawn.interlaced and abs(last - wanted.last) > max(_TIME, 0.02 * wanted.last):
        found["end"] = f"the last frame is shown {last:.4f} for {wanted.last:.4f} s"
    pixels = [each for *_, each in frames]
    if np.abs(np.subtract(pixels[0].shape[:2], wanted.size)).max() > 1:
        found["size"] = f"{pixels[0].shape[:2]} for {wanted.size}"
    return found | _colours(looks(np.stack(pixels)), wanted.looks, "stream")


def _colours(own: np.ndarray, wanted: np.ndarray, name: str) -> dict[str, str]:
    whole = np.abs(own.mean((1, 2)) - wanted.mean((1, 2))).max(1)
    parts = np.abs(own - wanted).max((1, 2, 3))
    at = int((whole / _MEAN + parts / _PART).argmax())
    if whole[at] <= _MEAN and parts[at] <= _PART:
        return {}
    ours, theirs = (each[at].mean((0, 1)).round(1).tolist() for each in (own, wanted))
    return {"colour": f"{name}: frame {at} is {ours} for {theirs}, a part of it {parts[at]:.0f} off"}


def _clip(wanted: Shown, clip: Clip, uneven: bool) -> dict[str, str]:
    """Compare the picture at each time of the clip with FFmpeg's at that time."""
    count = len(clip.video)
    end = wanted.times[-1] + (wanted.last or 1 / clip.fps)
    if uneven and count == len(wanted.times):  # all frames, at their mean rate
        return _colours(looks(clip.video), wanted.looks, "clip")
    if abs(count / clip.fps - end) > 1.6 / clip.fps:
        return {"length": f"a clip of {count} frames at {clip.fps:.3f} for {end:.3f} s and {len(wanted.times)} frames"}
    ticks = (np.arange(count) + 0.5) / clip.fps
    shown = np.searchsorted(wanted.times, ticks, side="right") - 1
    if count == len(wanted.times):
        shown = np.arange(count)
    return _colours(looks(clip.video), wanted.looks[shown], "clip")


def _sounds(name: str, wanted: np.ndarray, own: Any, rate: int, end: float, late: float, off: float) -> dict[str, str]:
    wanted = wanted[wanted < end - 0.02]
    heard = clicks(np.zeros(0) if own is None else np.abs(own).max(1, initial=0), rate)
    heard = heard[heard < end - 0.02]
    if len(heard) == len(wanted) and (not len(wanted) or np.abs(heard - wanted).max() <= off):
        return {}
    # Where FFmpeg loses the clock, as in AVI, the recording itself tells: half a second after each second.
    astray = np.abs((heard - late - 0.5 + 0.5) % 1 - 0.5)
    if len(heard) >= len(wanted) and len(heard) and astray.max() <= _RECORDED:
        return {}
    return {"sound": f"{name}: clicks at {heard.round(4).tolist()} for {wanted.round(4).tolist()} s"}


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Arguments)))
