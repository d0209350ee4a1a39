"""Digits on drawn paths: clips whose words do not say where a digit goes, since its track does.

Goes out: `example(split, index)`, a clip with captions, tracks and sound, the same for ever. One or two digits go along
lines, circles, zigzags and curves, slowly or fast, or stand still. The paths of `held_out`, eights and squares, are
never trained on; its digits and those of `test` are of unseen handwriting. Pure numpy.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from . import soundtracks
from .chinese import DIGITS, HUES
from .mnist import DigitSet
from .scenes import COLOURS, DIGIT_SIZE, DIGIT_WORDS, SIZE, SPLITS, TWO_DIGITS, Split, centres, digits_for, paint
from .voices import VoiceSet

_ROOM = SIZE - DIGIT_SIZE
_FASTEST = 3.0  # pixels a frame
_STILL = 0.08  # share of digits that stand still


class PathExample(TypedDict):
    """One clip: video uint8 [T, 64, 64, 3], captions, tracks float32 [n, T, 2] in shares of the picture, its sound."""

    video: np.ndarray
    captions: tuple[str, ...]
    tracks: np.ndarray
    digits: tuple[int, ...]
    colours: tuple[str, ...]
    audio: np.ndarray
    sample_rate: int


@dataclass(frozen=True)
class Walker:
    """One digit on its path. `image` indexes the digit set; `corner` gives its top-left (y, x) of frames int [T]."""

    digit: int
    colour: str
    image: int
    corner: Callable[[np.ndarray], np.ndarray]


def example(
    split: Split,
    index: int,
    num_frames: int = 33,
    digits: DigitSet | None = None,
    voices: VoiceSet | None = None,
    sample_rate: int = soundtracks.SAMPLE_RATE,
    count: int | None = None,
) -> PathExample:
    """Clip `index` (any integer from 0) of a split: a pure function of its arguments; longer ones continue shorter.

    count: its digits, 1 or 2; None for mostly one.
    """
    digits = digits_for(split) if digits is None else digits
    rng = np.random.default_rng([2, SPLITS.index(split), index])
    walkers = _walkers(rng, digits, split, count)
    said = captions(walkers, rng)
    corners = np.stack([walker.corner(np.arange(num_frames)) for walker in walkers])
    images = [digits.images[walker.image] for walker in walkers]
    voices = voices or soundtracks.voices_for(split)
    names = [walker.digit for walker in walkers]
    audio = soundtracks.track(names, (), num_frames, voices, rng, sample_rate, varied=split == "train")
    return {
        "video": paint(images, [walker.colour for walker in walkers], corners),
        "captions": said,
        "tracks": centres(images, corners),
        "digits": tuple(names),
        "colours": tuple(walker.colour for walker in walkers),
        "audio": audio,
        "sample_rate": sample_rate,
    }


def captions(walkers: tuple[Walker, ...], rng: np.random.Generator) -> tuple[str, ...]:
    """Return captions that say nothing of the way, three English, one Chinese: "a red seven", "7 moves", "红色的七"."""
    english = tuple(_caption(walkers, rng, coloured=number < 2 or rng.random() < 0.4) for number in range(3))
    return (*english, _in_chinese(walkers, rng))


def _in_chinese(walkers: tuple[Walker, ...], rng: np.random.Generator) -> str:
    one, of = ("", "一个")[rng.integers(2)], ("色的", "色")[rng.integers(2)]
    moves = ("", "", "移动")[rng.integers(3)]
    names = DIGITS if rng.random() < 0.6 else tuple(map(str, range(10)))
    clauses = (f"{one}{HUES[walker.colour]}{of}{names[walker.digit]}{moves}" for walker in walkers)
    return ("和", "，")[rng.integers(2)].join(clauses)


def _caption(walkers: tuple[Walker, ...], rng: np.random.Generator, *, coloured: bool) -> str:
    article = ("a ", "a ", "the ", "")[rng.integers(4)]
    verb = ("", "", " moves", " moving", " goes", " going")[rng.integers(6)]
    as_numeral = rng.random() < 0.5

    def clause(walker: Walker) -> str:
        digit = str(walker.digit) if as_numeral else DIGIT_WORDS[walker.digit]
        return f"{article}{walker.colour + ' ' if coloured else ''}{digit}{verb}"

    return " and ".join(clause(walker) for walker in walkers)


def _walkers(rng: np.random.Generator, digits: DigitSet, split: Split, count: int | None) -> tuple[Walker, ...]:
    count = 1 + int(rng.random() < TWO_DIGITS) if count is None else count
    colours = rng.permutation(list(COLOURS))[:count]
    names = rng.integers(10, size=count)
    return tuple(
        Walker(int(digit), str(colour), int(rng.choice(digits.of_digit[digit])), path(rng, split))
        for digit, colour in zip(names, colours, strict=True)
    )


def path(rng: np.random.Generator, split: Split) -> Callable[[np.ndarray], np.ndarray]:
    """Draw a path of a split: frames int [T] -> top-left corners int [T, 2] as (y, x) that keep a digit inside.

    A path is a closed curve of a turn from 0 to 1 that is scaled, turned, moved and walked along at an even pace.
    """
    curves = _HELD_OUT if split == "held_out" else _CURVES
    curve = curves[list(curves)[int(rng.integers(len(curves)))]](rng)
    turn = np.linspace(0, 1, 257)
    points = _inside(curve(turn), rng)
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    pace = 0.0 if rng.random() < _STILL else rng.uniform(0.5, _FASTEST)
    begin, way = rng.uniform(0, lengths[-1]), rng.choice([-1, 1])

    def corner(frames: np.ndarray) -> np.ndarray:
        at = (begin + way * pace * frames) % max(lengths[-1], 1e-6)
        return np.stack([np.round(np.interp(at, lengths, points[:, axis])) for axis in (0, 1)], axis=-1).astype(int)

    return corner


def _inside(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return points [n, 2] turned, scaled and moved at random so that all are corners inside the picture."""
    angle = rng.uniform(0, 2 * np.pi)
    turned = points @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned -= turned.min(axis=0)
    extent = turned.max(axis=0)
    scaled = turned * (_ROOM * rng.uniform(0.5, 1.0) / extent.max())
    return scaled + rng.uniform(0, 1, 2) * (_ROOM - scaled.max(axis=0))


def _triangle(turn: np.ndarray) -> np.ndarray:
    """Return a wave that rises from 0 to 1 and falls back, once in a turn."""
    return 1 - np.abs(2 * (turn % 1) - 1)


def _line(rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    return lambda turn: np.stack([_triangle(turn), np.zeros_like(turn)], axis=-1)


def _circle(rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    width = rng.uniform(0.5, 1)
    return lambda turn: np.stack([np.sin(2 * np.pi * turn), width * np.cos(2 * np.pi * turn)], axis=-1)


def _zigzag(rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    teeth, height = int(rng.integers(2, 4)), rng.uniform(0.3, 0.8)
    return lambda turn: np.stack([_triangle(turn), height * _triangle(2 * teeth * turn)], axis=-1)


def _curve(rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    waves = rng.normal(size=(2, 3, 2)) / np.arange(1, 4)[:, None]
    angle = 2 * np.pi * np.arange(1, 4)

    def points(turn: np.ndarray) -> np.ndarray:
        there = angle * turn[:, None]
        return np.cos(there) @ waves[0] + np.sin(there) @ waves[1]

    return points


def _eight(rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    return lambda turn: np.stack([np.sin(2 * np.pi * turn), 0.6 * np.sin(4 * np.pi * turn)], axis=-1)


def _square(rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    corners = np.array([(0, 0), (0, 1), (1, 1), (1, 0), (0, 0)], float)
    return lambda turn: np.stack([np.interp(4 * turn, np.arange(5), corners[:, axis]) for axis in (0, 1)], axis=-1)


_CURVES: Mapping[str, Callable] = {"line": _line, "circle": _circle, "zigzag": _zigzag, "curve": _curve}
_HELD_OUT: Mapping[str, Callable] = {"eight": _eight, "square": _square}
