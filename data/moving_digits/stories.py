"""Moving digits in stories: a picture of each digit of a clip, and the shot that follows it after a cut.

Goes out: `example(split, index)`, the very clip of `soundtracks.py` with more around it. A reference is a picture of
one digit alone, in the same handwriting, and never as the clip shows it (cross-pairs; Phantom-Data, arXiv 2506.18851):
at another place, mostly in another colour, sometimes in another size. Captions of their own call it <1> or <2>. The
next shot shows digits of the clip in the same handwriting, now and then with another digit. All of this is drawn from
a random stream of its own. One caption of each kind is Chinese. Pure numpy.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from reelm.data.clips import CaptionedClip

from . import chinese, soundtracks
from .mnist import DigitSet
from .scenes import (
    COLOURS,
    DIGIT_SIZE,
    FPS,
    SIZE,
    SPLITS,
    TWO_DIGITS,
    Scene,
    Split,
    captions,
    digits_for,
    render,
    sample_scene,
    tracks,
)
from .soundtracks import SAMPLE_RATE, SILENT_WORDS, soundtrack, voices_for
from .voices import VoiceSet

WHITE = 0.3  # share of the pictures that are white, besides those that any colour may be
OTHER_SIZE = 0.3  # share of the pictures whose digit is smaller or larger than in the clip
SIZES = (20, 44)  # least and most pixels of such a digit
STRANGER = 0.1  # share of the next shots that begin with a digit that the clip does not have


def example(
    split: Split, index: int, num_frames: int = 33, digits: DigitSet | None = None, voices: VoiceSet | None = None
) -> CaptionedClip:
    """Clip `index` of a split: that of `soundtracks.example` with references and the next shot.

    A clip of one frame has no next shot.
    """
    digits, voices = digits or digits_for(split), voices or voices_for(split)
    clip = soundtracks.example(split, index, num_frames, digits, voices)
    scene, rng = clip["scene"], np.random.default_rng([2, SPLITS.index(split), index])
    silence = SILENT_WORDS if clip["captions"][0].endswith(SILENT_WORDS) else ""
    references = np.stack([picture(digits.images[mover.image], rng) for mover in scene.movers])
    in_chinese = partial(chinese.example_caption, split, index, silent=bool(silence))
    told: CaptionedClip = {
        "video": clip["video"],
        "captions": (*clip["captions"], in_chinese(scene)),
        "fps": float(FPS),
        "audio": clip["audio"],
        "sample_rate": clip["sample_rate"],
        "references": references,
        "reference_captions": (
            *_with(silence, _reference_captions(scene, rng)),
            in_chinese(scene, names=("<1>", "<2>")[: len(scene.movers)]),
        ),
        "tracks": tracks(scene, digits, num_frames),
    }
    if num_frames == 1:
        return told
    after, names = next_scene(scene, rng, digits, split)
    said, called = captions(after, rng), captions(after, rng, names)
    track = soundtrack(after, num_frames - 1, voices, rng, varied=split == "train")
    frame = SAMPLE_RATE // FPS
    told["next_shot"] = {
        "video": np.concatenate([clip["video"][-1:], render(after, digits, num_frames - 1)]),
        "captions": (*_with(silence, said), in_chinese(after)),
        "fps": float(FPS),
        "audio": np.concatenate([clip["audio"][-frame:], np.zeros_like(track) if silence else track]),
        "sample_rate": SAMPLE_RATE,
        "reference_captions": (*_with(silence, called), in_chinese(after, names=names)),
    }
    return told


def picture(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a picture uint8 [64, 64, 3] of one digit uint8 [28, 28] alone on black."""
    colour = "white" if rng.random() < WHITE else tuple(COLOURS)[int(rng.integers(len(COLOURS)))]
    size = int(rng.integers(SIZES[0], SIZES[1] + 1)) if rng.random() < OTHER_SIZE else DIGIT_SIZE
    y, x = rng.integers(0, SIZE - size + 1, 2)
    made = np.zeros((SIZE, SIZE, 3), np.uint8)
    made[y : y + size, x : x + size] = resized(image, size)[:, :, None] * (np.array(COLOURS[colour], np.uint8) // 255)
    return made


def resized(image: np.ndarray, size: int) -> np.ndarray:
    """Return a square picture uint8 [n, n] as uint8 [size, size], by linear interpolation."""
    length = len(image)
    places = (np.arange(size) + 0.5) * length / size - 0.5
    away = np.abs(places[:, None] - np.arange(length)) / max(1.0, length / size)
    weights = np.maximum(0, 1 - away)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.round(weights @ image @ weights.T).astype(np.uint8)


def next_scene(
    scene: Scene, rng: np.random.Generator, digits: DigitSet, split: Split
) -> tuple[Scene, Sequence[str | None]]:
    """Return (the scene after a cut, what its movers are called): "<k>" for the k-th of `scene`, None for others."""
    known = [(mover.image, f"<{k}>") for k, mover in enumerate(scene.movers, 1)]
    who: list[tuple[int | None, str | None]] = [known[i] for i in rng.permutation(len(known))]
    who.insert(0 if rng.random() < STRANGER else len(who), (None, None))
    count = 1 + int(rng.random() < TWO_DIGITS)
    cast = [who[i] for i in rng.permutation(count)]
    after = sample_scene(rng, digits, split=split, count=count, images=[image for image, _ in cast])
    return after, [name for _, name in cast]


def _reference_captions(scene: Scene, rng: np.random.Generator) -> tuple[str, ...]:
    """Return three captions that call all movers by their pictures and, of two movers, three that call one so."""
    both = captions(scene, rng, ("<1>", "<2>"))
    if len(scene.movers) == 1:
        return both
    return both + captions(scene, rng, (("<1>", None), (None, "<2>"))[int(rng.integers(2))])


def _with(words: str, said: Sequence[str]) -> tuple[str, ...]:
    return tuple(caption + words for caption in said)
