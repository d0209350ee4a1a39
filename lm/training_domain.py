"""The training domain of a model, and warnings about requests outside of it.

In: the training domain that a model folder records, and a request. Out: a warning for each part of the request that
training never saw.
What the words of a prompt are, the encoder of the model says.
Such a request is still generated, with warnings, because the result may be good or bad; `strict` refuses it.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from reelm.errors import RequestError
from reelm.tokenizer.text.prompt_retrieval import Similarity

T = TypeVar("T")

_NAMED = 5  # unknown words that a warning names
# Words that any prompt may have: they say nothing of what is to be seen.
_ANY = frozenset(
    "a about after all also an and any are around as at back be been both but by can clip could did do does each every "
    "for from get gets give has have he her here him his how i if in into is it its just let make makes me more my no "
    "not now of off on onto or our out over own per please she show shows so some such than that the their them then "
    "there these they this those through to too towards under until up us very video want was way we were what when "
    "where which while who will with would you your "
    # And the same of Chinese, whose characters are words of a training domain.
    "一 个 的 地 得 和 与 在 是 了 着 有 我 你 他 她 它 这 那 请 要 让 把 给 也 都 就 很".split()
)


@dataclass(frozen=True, kw_only=True)
class TrainingDomain:
    """What the training of a language model saw. What is empty or None was not recorded.

    Attributes:
        sizes: (height, width) of its clips, in pixels.
        rates: frames a second of its clips.
        frames: of its longest clip.
        words: of its captions, in small letters.
        similarity: probability that a prompt means one of the captions, as prompt retrieval tells it; below that, it
            means none of them.
        track_speed: of its fastest track, in heights of the picture a frame; see `control.speed.track_speeds`.
        track_area: (left, top, right, bottom) that its tracks stay within, as shares of width and height.
        camera_speed: highest changes a frame of orbit in degrees, log2 of zoom, and rise.
    """

    sizes: tuple[tuple[int, int], ...] = ()
    rates: tuple[float, ...] = ()
    frames: int | None = None
    words: tuple[str, ...] = ()
    similarity: float | None = None
    track_speed: float | None = None
    track_area: tuple[float, float, float, float] | None = None
    camera_speed: tuple[float, float, float] | None = None

    @property
    def has_words(self) -> bool:
        """Whether it is known which words the training saw."""
        return bool(self.words) or self.similarity is not None

    def with_all(self, other: "TrainingDomain") -> "TrainingDomain":
        """Return the training domain of both trainings; what one of them did not record is not recorded."""

        def both(one: tuple, two: tuple) -> tuple:
            return tuple(sorted({*one, *two})) if one and two else ()

        return TrainingDomain(
            sizes=both(self.sizes, other.sizes),
            rates=both(self.rates, other.rates),
            frames=max(self.frames, other.frames) if self.frames and other.frames else None,
            words=both(self.words, other.words),
            track_speed=_both(self.track_speed, other.track_speed, max),
            track_area=_both(self.track_area, other.track_area, _union),
            camera_speed=_both(self.camera_speed, other.camera_speed, _faster),
        )

    def __post_init__(self):
        numbers = (*(side for size in self.sizes for side in size), *self.rates, self.frames or 1)
        if min(numbers) <= 0 or not -1 <= (self.similarity or 0) <= 1:
            raise RequestError("sizes, rates and frames must be above 0, the similarity between -1 and 1")


def _both(one: T | None, two: T | None, join: Callable[[T, T], T]) -> T | None:
    return None if one is None or two is None else join(one, two)


def _union(one: Sequence[float], two: Sequence[float]) -> tuple[float, float, float, float]:
    return min(one[0], two[0]), min(one[1], two[1]), max(one[2], two[2]), max(one[3], two[3])


def _faster(one: Sequence[float], two: Sequence[float]) -> tuple[float, float, float]:
    return max(one[0], two[0]), max(one[1], two[1]), max(one[2], two[2])


def outside(
    name: str,
    domain: TrainingDomain,
    prompts: Mapping[str, Sequence[str]],
    *,
    height: int,
    width: int,
    fps: float,
    similarity: Callable[[str], Similarity],
) -> list[str]:
    """Return a warning for each thing of a request that the training of a model never saw.

    Args:
        name: of the model.
        domain: what its training saw.
        prompts: the words of each prompt of one clip, by its text, as those of the training domain were found.
        height, width: of the frames, in pixels.
        fps: frames a second.
        similarity: of a prompt to the captions; asked only where the training domain has one.
    """
    warnings = []
    if domain.sizes and (height, width) not in domain.sizes:
        sizes = ", ".join(f"{columns}x{rows}" for rows, columns in domain.sizes)
        warnings.append(f"{name} was trained on clips of {sizes} alone: {width}x{height} may come out empty")
    if domain.rates and fps not in domain.rates:
        rates = ", ".join(f"{rate:g}" for rate in domain.rates)
        warnings.append(f"{name} was trained at {rates} frames a second: at {fps:g} things move at another speed")
    for prompt, words in prompts.items():
        if domain.similarity is not None and (like := similarity(prompt)).value < domain.similarity:
            near = f"no caption of its training is like it; nearest: {like.nearest!r}"
            why = f"it cannot read {_quoted(like.unread)}" if like.unread else near
            warnings.append(f"{name} may not know {prompt!r}: {why}")
        elif unknown := _unknown(domain, words):
            near = {word for each in unknown for word in difflib.get_close_matches(each, domain.words, n=1)}
            nearest = f"; nearest: {_quoted(sorted(near))}" if near else ""
            warnings.append(f"{name} may not know {prompt!r}: its captions have no {_quoted(unknown)}{nearest}")
    return warnings


def _unknown(domain: TrainingDomain, prompt: Sequence[str]) -> list[str]:
    """Return the words of a prompt that no caption has, less those that say nothing of what is to be seen."""
    words = dict.fromkeys(prompt) if domain.words else ()
    return [word for word in words if word not in _ANY and word not in domain.words]


def _quoted(words: Sequence[str]) -> str:
    return ", ".join(map(repr, words[:_NAMED]))
