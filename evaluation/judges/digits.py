"""An independent judge of moving digits: looks at pixels alone and says which digits move where, in which colour.

Comes in: a clip of one or two digits, real, rebuilt or generated. Goes out: a `Reading` for each. The digit is read
by a small net trained on MNIST images only (`train_digits.py`), colour and direction by counting. It knows nothing of
tokenizers, language models or prompts. Strokes may be soft and colours a little off; but what is no single compact
digit, of one colour, moving one way, is not read as one: the field in question is None.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from reelm.data.moving_digits.scenes import COLOURS, DIGIT_SIZE, FIRST_BOUNCE
from reelm.storage.tensors import load_params

WEIGHTS_FILE = Path(__file__).with_name("judge.safetensors")
NO_DIGIT = 10  # the class of ink that forms no digit

_COLOUR_NAMES = tuple(COLOURS)
_HUES = np.array([COLOURS[name] for name in _COLOUR_NAMES]) / 255
_INK = 48  # a pixel whose brightest channel lies below is background, as a lossy tokenizer rebuilds it
_LEAST_INK = 8.0  # full-bright pixels of ink without which a frame shows no digit; the thinnest of MNIST has 19
_COMPACT = 0.9  # share of a mover's ink that one digit's box must hold
_PURE = 0.6  # share of a mover's ink that must have its colour
_SURE = 0.4  # mean probability that a digit must reach
_STILL = 0.5  # pixels a frame under which nothing is said to move; a slow digit makes 1


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The reading of one mover; None for what is not clear.

    centres: float64 [T,2], the ink's centre (y, x) in each frame in pixels, NaN where there is no ink.
    velocity: (y, x) pixels a frame before the first bounce, NaN when that was not seen.
    """

    digit: int | None
    colour: str | None
    direction: str | None
    velocity: tuple[float, float]
    centres: np.ndarray

    @property
    def what(self) -> tuple[int | None, str | None, str | None]:
        return self.digit, self.colour, self.direction


def read(video: np.ndarray, count: int = 1) -> tuple[Reading, ...]:
    """Reads `count` movers (1, or 2 of different colours) from a clip uint8 [T,64,64,3]; the one with most ink first.

    The number is told, not found, but the clip has to bear it out: other things in the picture spoil the reading.
    """
    if video.dtype != np.uint8 or video.ndim != 4 or video.shape[-1] != 3:
        raise ValueError(f"video must be uint8 [T,H,W,3], got {video.dtype} {video.shape}")
    if min(video.shape[1:3]) < DIGIT_SIZE or len(video) == 0:
        raise ValueError(f"video must have a frame, and sides of at least {DIGIT_SIZE}, got shape {video.shape}")
    if count not in (1, 2):
        raise ValueError(f"count must be 1 or 2, got {count}")
    ink = video.max(axis=-1) / 255
    ink[ink < _INK / 255] = 0
    hue = _nearest_hue(video, ink > 0, _HUES)
    by_hue = np.bincount(hue[ink > 0], ink[ink > 0], minlength=len(_HUES))
    chosen = np.argsort(-by_hue, kind="stable")[:count].tolist()
    layers = [ink] if count == 1 else _separate(video, ink, chosen)
    return tuple(_read_layer(layer, hue, colour) for layer, colour in zip(layers, chosen, strict=True))


class DigitNet(nn.Module):
    """Images [B,28,28] in [0,1] to logits [B,11] of the ten digits and of NO_DIGIT."""

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        x = images[..., None]
        for channels in (16, 32):
            x = nn.relu(nn.Conv(channels, (3, 3))(x))
            # Pooled through a reshape, since the gradient of XLA's own pooling is slow on a CPU.
            batch, height, width, _ = x.shape
            x = x.reshape(batch, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))
        x = nn.relu(nn.Conv(64, (3, 3))(x))
        return nn.Dense(NO_DIGIT + 1)(x.reshape(len(x), -1))


def digit_logits(params: dict, images: jax.Array) -> jax.Array:
    """Logits [B,11] of images [B,28,28], each first scaled to a brightest value of 1: faint strokes read alike."""
    peak = jnp.max(images, axis=(1, 2), keepdims=True)
    return cast(jax.Array, DigitNet().apply({"params": params}, images / jnp.maximum(peak, 1e-3)))


_jit_logits = jax.jit(digit_logits)


def _nearest_hue(video: np.ndarray, inked: np.ndarray, hues: np.ndarray) -> np.ndarray:
    """Return the index of the nearest hue [n, 3], at any brightness: int [T, H, W], -1 where there is no ink."""
    nearest = np.full(inked.shape, -1)
    nearest[inked] = np.argmax(video[inked] @ (hues / np.linalg.norm(hues, axis=-1, keepdims=True)).T, axis=-1)
    return nearest


def _separate(video: np.ndarray, ink: np.ndarray, chosen: list[int]) -> list[np.ndarray]:
    """The ink of each of two colours, [T,H,W] each; where movers cross, the brighter channel shows: ink of both."""
    first, second = _HUES[chosen]
    both = np.maximum(first, second)
    hues = np.stack([first, second, both])
    if any(np.array_equal(both, hue) for hue in (first, second)):
        hues = hues[:2]
    owner = _nearest_hue(video, ink > 0, hues)
    return [np.where((owner == own) | (owner == 2), ink, 0) for own in (0, 1)]


def _read_layer(ink: np.ndarray, hue: np.ndarray, colour: int) -> Reading:
    """Reads the one mover whose ink [T,H,W] this is, all else removed."""
    centres, boxes, compact = zip(*(_frame_centre(frame) for frame in ink), strict=True)
    centres = np.stack(centres)
    pure = ink[hue == colour].sum() >= _PURE * ink.sum() > 0
    seen = ~np.isnan(centres[:, 0])
    # A digit has to be there, whole and alone, for most of the clip; where two cross, a box also holds the other's ink.
    whole = np.mean(compact) >= 0.5
    velocity = _velocity(centres)
    return Reading(
        digit=_digit(np.stack(boxes)[seen]) if whole else None,
        colour=_COLOUR_NAMES[colour] if pure else None,
        direction=_direction(*velocity),
        velocity=velocity,
        centres=centres,
    )


def _frame_centre(ink: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Centre of the ink of one frame [H,W], the digit-sized box around it, and whether the box holds the ink."""
    total = ink.sum()
    if total < _LEAST_INK:
        return np.full(2, np.nan), np.zeros((DIGIT_SIZE, DIGIT_SIZE)), False
    box, centre = ink, _mass_centre(ink)
    # Again inside the box, so that a few stray pixels do not move it; MNIST centres its digits by mass as well.
    for _ in range(2):
        corner, box = _box(ink, centre)
        if box.any():
            centre = corner + _mass_centre(box)
    return centre, box, bool(box.sum() >= _COMPACT * total)


def _mass_centre(ink: np.ndarray) -> np.ndarray:
    """(y, x) of the ink of [H,W], which must not be empty."""
    rows, columns = ink.sum(axis=1), ink.sum(axis=0)
    return np.array([rows @ np.arange(len(rows)), columns @ np.arange(len(columns))]) / ink.sum()


def _box(ink: np.ndarray, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Top-left corner (y, x) and pixels of the digit-sized box of a frame [H,W] that is nearest to a centre."""
    corner = np.round(centre - (DIGIT_SIZE - 1) / 2).astype(int)
    y, x = corner = np.clip(corner, 0, np.array(ink.shape) - DIGIT_SIZE)
    return corner, ink[y : y + DIGIT_SIZE, x : x + DIGIT_SIZE]


def _digit(boxes: np.ndarray) -> int | None:
    """Return the digit that frames [n, 28, 28] show, by a vote of the frames."""
    if len(boxes) == 0:
        return None
    probabilities = np.mean(jax.nn.softmax(_jit_logits(load_params(WEIGHTS_FILE), boxes.astype(np.float32))), axis=0)
    digit = int(probabilities.argmax())
    return digit if digit != NO_DIGIT and probabilities[digit] >= _SURE else None


def _velocity(centres: np.ndarray) -> tuple[float, float]:
    """Mean pixels a frame (y, x) from the first frame to the last before the first possible bounce."""
    straight = centres[:FIRST_BOUNCE]
    if len(straight) < 2:
        return float("nan"), float("nan")
    y, x = (straight[-1] - straight[0]) / (len(straight) - 1)
    return float(y), float(x)


def _direction(y: float, x: float) -> str | None:
    along, across = max(abs(y), abs(x)), min(abs(y), abs(x))
    if not along >= _STILL or across > along / 2:  # NaN is no movement
        return None
    if along == abs(x):
        return "right" if x > 0 else "left"
    return "down" if y > 0 else "up"
