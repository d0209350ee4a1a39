"""Judge generated emoji: whether they show the target, move like real ones, and close their loop.

In: clips, their targets, the real clips of `animated_emoji`. Out: dicts of plain JSON values. A clip is read as the
real emoji whose features are nearest (`efficientnet.py`), first among the emoji without tone, then, if the target has a
tone, among the six variants of that emoji. This module does not know how clips are made.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reelm.evaluation.features import efficientnet
from reelm.evaluation.groups import batches
from reelm.evaluation.scores.intervals import means

from .source import EmojiClips

PARAPHRASES = Path(__file__).with_name("paraphrases.tsv")
"""A hundred emoji in other words, written by hand: code points and words of each."""

CHINESE_PARAPHRASES = Path(__file__).with_name("paraphrases_zh.tsv")
"""The same in Chinese."""

CHINESE_NAMES = Path(__file__).with_name("names_zh.tsv")
"""Code points and names of emoji, simplified and traditional: those of Unicode's CLDR, by emojibase-data 17.0.0."""

_SHOWN = 4  # frames of a clip that are compared, spread evenly over the loop
_SIDE = 96  # their side in pixels
# Stage whose activations are compared, position by position. It recognises most real clips, by emoji and tone, after
# the tokenizer rebuilt them, also if they are smaller, softer, shifted or start later. The usual choice, the last
# activations averaged over the picture, confuses emoji that are a little soft.
_STAGE = 2
_BATCH = 16  # clips in a pass through the net


class Asked(NamedTuple):
    """The target of a prompt: code points of an emoji, and its skin tone or ""."""

    base: str
    tone: str


@dataclass(frozen=True, eq=False)
class Gallery:
    """The real clips, all on white: features float32 `[N, D]` of unit length, the emoji, and measures of motion.

    energies, seams: float64 `[N]`, see `motion_energy` and `loop_seam`.
    centre: float32 `[D]`, the mean that was subtracted from the features before they were scaled.
    """

    asked: tuple[Asked, ...]
    features: np.ndarray
    energies: np.ndarray
    seams: np.ndarray
    centre: np.ndarray

    def nearest(self, features: np.ndarray, among: Sequence[int]) -> np.ndarray:
        """Return the index int `[M]` of the nearest clip of `among` for each of features `[M, D]`, by cosine."""
        return np.asarray(among)[np.argmax(features @ self.features[list(among)].T, axis=1)]

    def place(self, asked: Asked) -> int:
        """Return the index of a real clip; ValueError if there is none."""
        return self.asked.index(asked)


def gallery(net: dict, sources: Sequence[EmojiClips]) -> Gallery:
    """Return the plain clips of every emoji and tone of some splits of one built set."""
    asked: list[Asked] = []
    videos: list[np.ndarray] = []
    for source in sources:
        for index in range(source.emoji):
            what = source.what(index)
            asked.append(Asked(what["emoji"], what["tone"]))
            videos.append(source[index]["video"])
    raw = clip_features(net, videos)
    # Subtract the mean, because features that all emoji share do not help to tell them apart.
    centre = raw.mean(axis=0)
    energies, seams = (np.array([measure(video) for video in videos]) for measure in (motion_energy, loop_seam))
    return Gallery(tuple(asked), _unit(raw - centre), energies, seams, centre)


def judged(net: dict, real: Gallery, videos: Sequence[np.ndarray], asked: Sequence[Asked]) -> dict[str, Any]:
    """Return the figures of clips uint8 `[T, H, W, 3]`, given their targets `asked`:

    clips: number of clips
    emoji, emoji_interval: fraction whose nearest emoji without tone is the target, and its 95% Wilson bounds
    tone, tone_interval: fraction of the clips with a target tone whose nearest of the six variants is right; None if
        there are none
    both, both_interval: fraction with both right; the yellow of an emoji that has tones counts as a variant
    energy: mean ratio of their motion energy to the real clip's; energy_off: mean distance of that ratio from 1
    seam, seam_real: mean of `loop_seam` for the clips and for the real ones, whose loops do not all last three seconds
    """
    found = _unit(clip_features(net, videos) - real.centre)
    bases = [i for i, each in enumerate(real.asked) if not each.tone]
    right = [real.asked[i].base for i in real.nearest(found, bases)]
    scores = []
    for features, each, base, ratio, video in zip(
        found, asked, right, energy_ratios(real, videos, asked), videos, strict=True
    ):
        variants = [i for i, other in enumerate(real.asked) if other.base == each.base]
        tone = real.asked[real.nearest(features[None], variants)[0]].tone == each.tone
        scores.append(
            {
                "emoji": base == each.base,
                "tone": tone if each.tone else None,
                "both": base == each.base and tone,
                "energy": ratio,
                "energy_off": abs(ratio - 1),
                "seam": loop_seam(video),
                "seam_real": real.seams[real.place(each)],
            }
        )
    shares = ("emoji", "tone", "both")
    return {"clips": len(videos), **means(scores, {name: f"{name}_interval" for name in shares})}


def clip_features(net: dict, videos: Sequence[np.ndarray]) -> np.ndarray:
    """Return features of clips uint8 `[T, H, W, 3]` of one size, averaged over frames: float32 `[N, D]`."""
    shown = [video[np.linspace(0, len(video), _SHOWN, endpoint=False).astype(int)] for video in videos]
    found = [np.asarray(_frame_means(net, np.stack(batch)))[:count] for batch, count in batches(shown, _BATCH)]
    return np.concatenate(found)


@jax.jit
def _frame_means(net: dict, frames: jax.Array) -> jax.Array:
    clips, shown, *_, channels = frames.shape
    scaled = jax.image.resize(frames / 255.0, (clips, shown, _SIDE, _SIDE, channels), "linear")
    found = efficientnet.activations(net, scaled.reshape(-1, _SIDE, _SIDE, channels))[_STAGE]
    return jnp.mean(found.reshape(clips, shown, -1), axis=1)


def motion_energy(video: np.ndarray) -> float:
    """Return the mean absolute change between frames of a video uint8 `[T, H, W, 3]`, in steps of 1/255."""
    return float(np.mean(np.abs(np.diff(video.astype(np.int16), axis=0)))) if len(video) > 1 else 0.0


def energy_ratios(real: Gallery, videos: Sequence[np.ndarray], asked: Sequence[Asked]) -> np.ndarray:
    """Return the motion energies of clips divided by those of the real clips: float64 `[N]`."""
    expected = np.array([real.energies[real.place(each)] for each in asked])
    return np.array([motion_energy(video) for video in videos]) / np.maximum(expected, 1e-6)


def loop_seam(video: np.ndarray) -> float:
    """Return the difference of last and first frame, in units of `motion_energy`; 0 is a closed loop, 1 one step."""
    ends = np.mean(np.abs(video[-1].astype(np.int16) - video[0]))
    return float(ends / max(motion_energy(video), 1e-6))


def paraphrases(file: Path = PARAPHRASES) -> tuple[tuple[str, Asked], ...]:
    """Return a hundred prompts in words that no caption has, with their targets."""
    return tuple((row["paraphrase"], Asked(row["emoji"], "")) for row in _rows(file))


def chinese_names(source: EmojiClips, count: int) -> tuple[tuple[str, Asked], ...]:
    """Return the simplified Chinese names of the first emoji of a split, in the order of `prompts`."""
    return _named(source, {row["emoji"]: row["simplified"] for row in _rows(CHINESE_NAMES)})[:count]


def traditional_names(source: EmojiClips, count: int) -> tuple[tuple[str, Asked], ...]:
    """Return the same in traditional characters, for emoji whose traditional name is not also a simplified one."""
    others = {*named_in_chinese()[1]}
    rows = {row["emoji"]: row["traditional"] for row in _rows(CHINESE_NAMES) if row["traditional"] in others}
    return _named(source, rows)[:count]


def named_in_chinese() -> tuple[list[str], list[str]]:
    """Return the simplified Chinese names of emoji, and the traditional ones that are not also simplified ones."""
    rows = _rows(CHINESE_NAMES)
    known = {row["simplified"] for row in rows}
    return [row["simplified"] for row in rows], [row["traditional"] for row in rows if row["traditional"] not in known]


def _named(source: EmojiClips, names: Mapping[str, str]) -> tuple[tuple[str, Asked], ...]:
    every = (asked for _, asked in prompts(source, source.emoji))
    return tuple((names[asked.base], asked) for asked in every if not asked.tone and asked.base in names)


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def prompts(source: EmojiClips, count: int) -> tuple[tuple[str, Asked], ...]:
    """Return the plain captions of the first emoji of a split, which is ordered by a hash."""
    described = (source.what(index) for index in range(min(count, source.emoji)))
    return tuple((what["caption"], Asked(what["emoji"], what["tone"])) for what in described)


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)
