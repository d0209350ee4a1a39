"""Moving digits: an endless, exactly checkable set of captioned clips, drawn from handwritten digits.

Goes out: `example(split, index)`, a clip with its caption and the scene behind both, the same for ever. One or two
tinted MNIST digits cross a black 64x64 picture at 8 fps and turn back at its edges. A combination of digit, colour
and direction may be held out of training, so that composing known words into new clips can be measured.
Pure numpy: knows nothing of TFDS (`tfds.py` stores these clips), tokens or models.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

import numpy as np

from .mnist import DigitSet, Source, load

SIZE = 64
FPS = 8
DIGIT_SIZE = 28
COLOURS: dict[str, tuple[int, int, int]] = {
    "white": (255, 255, 255),
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "cyan": (0, 255, 255),
    "magenta": (255, 0, 255),
}
DIRECTIONS = ("left", "right", "up", "down")
DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

Split = Literal["train", "test", "held_out"]
SPLITS: tuple[Split, ...] = ("train", "test", "held_out")

FIRST_BOUNCE = 9  # frames 0 to 8 move straight: direction and speed can be read from them
TWO_DIGITS = 0.4  # share of scenes with two digits
SLOW = 0.3  # share of movers at 1 pixel a frame instead of 2

_ROOM = SIZE - DIGIT_SIZE  # largest top or left coordinate of a digit
_COLOUR_NAMES = tuple(COLOURS)
_STEPS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}


@dataclass(frozen=True)
class Mover:
    """One digit on its way. `image` indexes the digit set; `start` is its top-left (y, x) in frame 0."""

    digit: int
    colour: str
    direction: str
    slow: bool
    image: int
    start: tuple[int, int]

    @property
    def velocity(self) -> tuple[int, int]:
        """(y, x) pixels a frame before the first bounce."""
        speed = 1 if self.slow else 2
        step_y, step_x = _STEPS[self.direction]
        return step_y * speed, step_x * speed

    @property
    def held_out(self) -> bool:
        return is_held_out(self.digit, _COLOUR_NAMES.index(self.colour), DIRECTIONS.index(self.direction))


@dataclass(frozen=True)
class Scene:
    """The content of a clip: one or two movers, of different colours."""

    movers: tuple[Mover, ...]

    def trajectory(self, num_frames: int) -> np.ndarray:
        """Top-left corners int[n, T, 2] as (y, x), each reflected at the edges of the picture."""
        start = np.array([mover.start for mover in self.movers])[:, None]
        velocity = np.array([mover.velocity for mover in self.movers])[:, None]
        straight = start + velocity * np.arange(num_frames)[:, None]
        return _ROOM - np.abs(straight % (2 * _ROOM) - _ROOM)


class Example(TypedDict):
    """One clip: video uint8[T, 64, 64, 3], what `captions` says of it, and the scene both were made from."""

    video: np.ndarray
    captions: tuple[str, ...]
    scene: Scene


def is_held_out(digit: int, colour: int, direction: int) -> bool:
    """Return whether training never shows a combination (one in ten); indices are into COLOURS and DIRECTIONS."""
    return (digit + 2 * colour + 3 * direction) % 10 == 0


def example(split: Split, index: int, num_frames: int = 33, digits: DigitSet | None = None) -> Example:
    """Clip `index` (any integer from 0) of a split: a pure function of its arguments.

    Without `digits`, those of `digits_for(split)`. A longer clip continues a shorter one of the same index.
    """
    digits = digits_for(split) if digits is None else digits
    rng = np.random.default_rng([0, SPLITS.index(split), index])
    scene = sample_scene(rng, digits, split=split)
    return {"video": render(scene, digits, num_frames), "captions": captions(scene, rng), "scene": scene}


def digits_for(split: Split, source: Source = "auto") -> DigitSet:
    """Return the handwriting of a split. That of `test` and `held_out` is never seen in training."""
    return load("train" if split == "train" else "test", source)


def sample_scene(
    rng: np.random.Generator,
    digits: DigitSet,
    *,
    split: Split,
    count: int | None = None,
    images: Sequence[int | None] | None = None,
) -> Scene:
    """Draws a scene of `count` (1 or 2; None draws that too) digits.

    In `train` and `test` no mover is a held-out combination; in `held_out` at least one is. Two movers differ in
    colour, and their ink stays apart until the first possible bounce.

    images: the handwriting of each of its movers, as an index into the digit set; None draws one.
    """
    count = 1 + int(rng.random() < TWO_DIGITS) if count is None else count
    if count not in (1, 2):
        raise ValueError(f"a scene has 1 or 2 digits, not {count}")
    images = [None] * count if images is None else images
    # Rejection keeps what is left uniform, with no case for each rule.
    while True:
        scene = Scene(tuple(_sample_mover(rng, digits, image) for image in images))
        if any(mover.held_out for mover in scene.movers) != (split == "held_out"):
            continue
        if count == 2 and scene.movers[0].colour == scene.movers[1].colour:
            continue
        if count == 1 or not _ink_meets(scene, digits):
            return scene


def render(scene: Scene, digits: DigitSet, num_frames: int) -> np.ndarray:
    """Return the clip, uint8 [num_frames, 64, 64, 3]. Where movers cross, each channel shows the brighter value."""
    images, colours = zip(*((digits.images[mover.image], mover.colour) for mover in scene.movers), strict=True)
    return paint(images, colours, scene.trajectory(num_frames))


def paint(images: Sequence[np.ndarray], colours: Sequence[str], corners: np.ndarray) -> np.ndarray:
    """Return the clip, uint8 [T, 64, 64, 3], of n digits in `COLOURS` with top-left corners int [n, T, 2], (y, x)."""
    video = np.zeros((corners.shape[1], SIZE, SIZE, 3), np.uint8)
    for image, colour, places in zip(images, colours, corners.tolist(), strict=True):
        sprite = image[:, :, None] * (np.array(COLOURS[colour], np.uint8) // 255)
        for frame, (y, x) in zip(video, places, strict=True):
            window = frame[y : y + DIGIT_SIZE, x : x + DIGIT_SIZE]
            np.maximum(window, sprite, out=window)
    return video


def tracks(scene: Scene, digits: DigitSet, num_frames: int) -> np.ndarray:
    """Return where each digit is, float32 [n, T, 2]; see `centres`."""
    return centres([digits.images[mover.image] for mover in scene.movers], scene.trajectory(num_frames))


def centres(images: Sequence[np.ndarray], corners: np.ndarray) -> np.ndarray:
    """Return the centre of ink of n digits, float32 [n, T, 2]: (x, y) as shares of the picture.

    corners: top-left corners int [n, T, 2] of their images, as (y, x).
    """
    inside = np.stack([centre_of_ink(image) for image in images])
    return ((corners[..., ::-1] + inside[:, None]) / SIZE).astype(np.float32)


def centre_of_ink(picture: np.ndarray) -> np.ndarray:
    """Return (x, y) float [2] of the ink in a picture [H, W], in pixels from its top left corner."""
    ink = picture.astype(float)
    y, x = (np.arange(size) + 0.5 for size in ink.shape)
    return np.array([(ink.sum(axis=0) * x).sum(), (ink.sum(axis=1) * y).sum()]) / max(ink.sum(), 1e-9)


def captions(scene: Scene, rng: np.random.Generator, names: Sequence[str | None] = (None, None)) -> tuple[str, ...]:
    """Return three captions: two full captions of the scene and one short one; `names` as for `caption`."""
    return caption(scene, rng, names), caption(scene, rng, names), short_caption(scene, rng, names)


def caption(scene: Scene, rng: np.random.Generator, names: Sequence[str | None] = (None, None)) -> str:
    """One of several phrasings in words, e.g. "a slow blue 3 moving up"; at most 13 words, "slow" exactly when slow.

    Everything that varies in a scene but handwriting and place is said. Both clauses of a caption share one manner.

    names: what to call the movers in place of their digits, such as "<1>"; None for the digit.
    """
    article = _pick(rng, ("a ", "a ", "a ", "the ", ""))
    verb = _pick(rng, ("moves", "moves", "moving", "moving", "goes", "going", "drifts", "drifting"))
    as_numeral = rng.random() < 0.5
    adverb = rng.random() < 0.3
    alone = len(scene.movers) == 1
    noun = _pick(rng, ("", "", "", "", "digit ", "number ")) if alone else ""
    to_the = alone and rng.random() < 0.25

    def clause(mover: Mover, name: str | None) -> str:
        slow = "slow " if mover.slow and not adverb else ""
        slowly = "slowly " if mover.slow and adverb else ""
        digit = name or (str(mover.digit) if as_numeral else DIGIT_WORDS[mover.digit])
        way = f"to the {mover.direction}" if to_the and mover.direction in ("left", "right") else mover.direction
        return f"{article}{slow}{mover.colour} {noun}{digit} {slowly}{verb} {way}"

    return " and ".join(map(clause, scene.movers, names))


def short_caption(scene: Scene, rng: np.random.Generator, names: Sequence[str | None] = (None, None)) -> str:
    """Return a short caption, digits with random details: "seven", "a blue 3 moving", "red one and cyan nine".

    names: as for `caption`.
    """
    article = _pick(rng, ("", "", "a "))
    as_numeral, coloured = rng.random() < 0.5, rng.random() < 0.4
    verb = _pick(rng, ("", "", "moves", "moving"))
    where = verb != "" and rng.random() < 0.5

    def clause(mover: Mover, name: str | None) -> str:
        digit = name or (str(mover.digit) if as_numeral else DIGIT_WORDS[mover.digit])
        words = (mover.colour if coloured else "", digit, verb, mover.direction if where else "")
        return article + " ".join(filter(None, words))

    return " and ".join(map(clause, scene.movers, names))


def _pick(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]


def _sample_mover(rng: np.random.Generator, digits: DigitSet, image: int | None = None) -> Mover:
    digit = int(rng.integers(10)) if image is None else int(digits.labels[image])
    direction = _pick(rng, DIRECTIONS)
    slow = bool(rng.random() < SLOW)
    straight = (FIRST_BOUNCE - 1) * (1 if slow else 2)
    start = []
    for step in _STEPS[direction]:
        low, high = (straight if step < 0 else 0), (_ROOM - straight if step > 0 else _ROOM)
        start.append(int(rng.integers(low, high + 1)))
    return Mover(
        digit=digit,
        colour=_pick(rng, _COLOUR_NAMES),
        direction=direction,
        slow=slow,
        image=int(rng.choice(digits.of_digit[digit])) if image is None else image,
        start=(start[0], start[1]),
    )


def _ink_meets(scene: Scene, digits: DigitSet) -> bool:
    """Return whether both movers cover one pixel in a frame before the first possible bounce."""
    first, second = (digits.images[mover.image] > 0 for mover in scene.movers)
    corners = scene.trajectory(FIRST_BOUNCE)
    for dy, dx in (corners[1] - corners[0]).tolist():
        in_first = first[max(dy, 0) : max(DIGIT_SIZE + dy, 0), max(dx, 0) : max(DIGIT_SIZE + dx, 0)]
        in_second = second[max(-dy, 0) : max(DIGIT_SIZE - dy, 0), max(-dx, 0) : max(DIGIT_SIZE - dx, 0)]
        if np.any(in_first & in_second):
            return True
    return False
