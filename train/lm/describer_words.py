"""The words of captions that a describer can learn."""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations

import numpy as np

from reelm.data.tokens.read import TokenSource
from reelm.data.tokens.sample import TokenSample
from reelm.errors import RequestError
from reelm.lm.describer import caption_words

_READ_FOR_WORDS = 10_000  # samples whose captions decide which words are known
_RARE, _COMMON = 0.001, 0.5  # share of clips a word is said of: one of fewer is not learned, one of more tells nothing
_AGREED = 0.6  # least share of a clip's captions that have a word which one has: facts are repeated, phrases are not
# Words that say the same are said of one clip so many times as often as by chance, of such a share of the clips of the
# more frequent one, and so seldom in one caption.
_TOGETHER, _SHARED, _SELDOM = 2.0, 0.4, 0.01


def words_in(sample: TokenSample) -> list[set[str]]:
    """The words of each caption of a clip."""
    return [caption_words(caption) for caption in sample["captions"]]


def telling_words(source: TokenSource) -> tuple[tuple[tuple[str, ...], ...], tuple[float, ...]]:
    """(words of captions that tell one clip from another, those together that say the same; share of clips of each).

    Words that come and go with the phrase are left out. Two words say the same when they are said of the same clips and
    hardly ever in one caption, as "7" and "seven"; of those the most frequent stands first. RequestError when no word
    tells anything.
    """
    clips = [words_in(source[i]) for i in range(min(len(source), _READ_FOR_WORDS))]
    said = Counter(word for captions in clips for word in set().union(*captions))
    words = {word for word, times in said.items() if _RARE * len(clips) <= times <= _COMMON * len(clips)}
    if not words:
        raise RequestError("no word of the captions tells one clip from another")
    of_clips = Counter(pair for captions in clips for pair in _pairs(set().union(*captions) & words))
    of_captions = Counter(pair for captions in clips for pair in {p for each in captions for p in _pairs(each & words)})
    group = {word: {word} for word in words}
    for (one, other), times in of_clips.items():
        least = max(_TOGETHER * said[one] * said[other] / len(clips), _SHARED * max(said[one], said[other]))
        if times >= least and of_captions[one, other] <= _SELDOM * times:
            both = group[one] | group[other]
            group |= dict.fromkeys(both, both)
    groups = sorted({tuple(sorted(each, key=lambda word: (-said[word], word))) for each in group.values()})
    # [clips, groups]: the share of captions that have one of the words.
    shares = np.array(
        [[np.mean([not caption.isdisjoint(each) for caption in captions]) for each in groups] for captions in clips]
    )
    there = np.count_nonzero(shares, axis=0)
    agreed = {each for each, share in zip(groups, shares.sum(axis=0) / there, strict=True) if share >= _AGREED}
    usual = dict(zip(groups, (there / len(clips)).tolist(), strict=True))
    return tuple(sorted(agreed)), tuple(usual[each] for each in sorted(agreed))


def _pairs(words: set[str]) -> Iterator[tuple[str, str]]:
    return combinations(sorted(words), 2)
