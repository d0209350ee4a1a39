"""Judge generated emoji: do they show what was asked, move like real ones, and close their loop?

Comes in: clips, what was asked for, the real clips of `animated_emoji`. Goes out: dicts of plain JSON values. A clip
is taken for the real emoji whose features are nearest (`efficientnet.py`), first among the emoji without tone, then,
where a tone was asked for, among the six variants of that emoji. Knows nothing of how clips are made.
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

_SHOWN = 4  # frames of a clip that are looked at, spread evenly over the loop
_SIDE = 96  # pixels at which they are
# Stage whose activations are compared, place by place: the one that names most real clips, emoji and tone, after the
# tokenizer rebuilt them, as they are or smaller, softer, moved or begun later. The last ones, averaged over the
# picture, are what is usual, but take an emoji that is a little soft for another.
_STAGE = 2
_BATCH = 16  # clips in a pass through the net


class Asked(NamedTuple):
    """The target of a prompt: code points of an emoji, and its skin tone or ""."""

    base: str
    tone: str


@dataclass(frozen=True, eq=False)
class Gallery:
    """The real clips, all on white: features float32 `[N, D]` of unit length, what each shows, and how it moves.

    energies, seams: float64 `[N]`, see `motion_energy` and `loop_seam`.
    centre: float32 `[D]`, the mean that was taken off the features before they were scaled.
    """

    asked: tuple[Asked, ...]
    features: np.ndarray
    energies: np.ndarray
    seams: np.ndarray
    centre: np.ndarray

    def nearest(self, features: np.ndarray, among: Sequence[int]) -> np.ndarray:
        """For each of features `[M, D]` the index int `[M]` of the nearest clip of `among`, by cosine."""
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
    # What all emoji have in common says nothing of which one it is.
    centre = raw.mean(axis=0)
    energies, seams = (np.array([measure(video) for video in videos]) for measure in (motion_energy, loop_seam))
    return Gallery(tuple(asked), _unit(raw - centre), energies, seams, centre)


def judged(net: dict, real: Gallery, videos: Sequence[np.ndarray], asked: Sequence[Asked]) -> dict[str, Any]:
    """Figures of clips uint8 `[T, H, W, 3]` that were asked for, one of `asked` each:

    clips: how many
    emoji, emoji_interval: share whose nearest of the emoji without tone is the one asked for, and its 95% Wilson bounds
    tone, tone_interval: share of those asked for with a tone whose nearest of the six variants is the right one; None
        without such
    both, both_interval: share with both right; the yellow of an emoji that has tones is a variant like any other
    energy: mean of their motion energy over the real clip's; energy_off: mean distance of that ratio from 1
    seam, seam_real: mean of `loop_seam`, of the clips and of the real ones, whose loops do not all last three seconds
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
    """Mean absolute change of a value from frame to frame, in steps of 1/255, of a video uint8 `[T, H, W, 3]`."""
    return float(np.mean(np.abs(np.diff(video.astype(np.int16), axis=0)))) if len(video) > 1 else 0.0


def energy_ratios(real: Gallery, videos: Sequence[np.ndarray], asked: Sequence[Asked]) -> np.ndarray:
    """Return the motion energies of clips divided by those of the real clips: float64 `[N]`."""
    expected = np.array([real.energies[real.place(each)] for each in asked])
    return np.array([motion_energy(video) for video in videos]) / np.maximum(expected, 1e-6)


def loop_seam(video: np.ndarray) -> float:
    """Return the difference of last and first frame, in units of `motion_energy`; 0 closes the loop, 1 is one step."""
    ends = np.mean(np.abs(video[-1].astype(np.int16) - video[0]))
    return float(ends / max(motion_energy(video), 1e-6))


def paraphrases(file: Path = PARAPHRASES) -> tuple[tuple[str, Asked], ...]:
    """Return a hundred prompts in other words than any caption, and what they ask for."""
    return tuple((row["paraphrase"], Asked(row["emoji"], "")) for row in _rows(file))


def chinese_names(source: EmojiClips, count: int) -> tuple[tuple[str, Asked], ...]:
    """Return the simplified names of the first emoji of a split, as `prompts` has them in English."""
    return _named(source, {row["emoji"]: row["simplified"] for row in _rows(CHINESE_NAMES)})[:count]


def traditional_names(source: EmojiClips, count: int) -> tuple[tuple[str, Asked], ...]:
    """Return the same in traditional characters, of those emoji whose name is none of the simplified ones."""
    rows = _rows(CHINESE_NAMES)
    known = {row["simplified"] for row in rows}
    return _named(source, {row["emoji"]: row["traditional"] for row in rows if row["traditional"] not in known})[:count]


def _named(source: EmojiClips, names: Mapping[str, str]) -> tuple[tuple[str, Asked], ...]:
    every = (asked for _, asked in prompts(source, source.emoji))
    return tuple((names[asked.base], asked) for asked in every if not asked.tone and asked.base in names)


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def prompts(source: EmojiClips, count: int) -> tuple[tuple[str, Asked], ...]:
    """Return the plain captions of the first emoji of a split, whose order is that of a hash."""
    described = (source.what(index) for index in range(min(count, source.emoji)))
    return tuple((what["caption"], Asked(what["emoji"], what["tone"])) for what in described)


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)
