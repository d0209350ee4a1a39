"""Codes of references, the pictures that words call <1> to <4>. Each is cropped to a portrait and tokenized by itself.

In: pictures, words. Out: codes by number. The number of a reference is its place in the list, from 1.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from reelm.errors import RequestError
from reelm.lm.layout import portrait_size
from reelm.lm.specials import around_names
from reelm.media.portrait import portrait
from reelm.tokenizer.text.words import visible
from reelm.tokenizer.video.tokenizer import VideoTokenizer

from .pictures import Picture
from .read import pixels

_LEAST, _MOST = 8, 40_000_000  # pixels of a side, and of a picture


def encode_references(
    tokenizer: VideoTokenizer, pictures: Sequence[Picture], height: int, width: int
) -> Mapping[int, np.ndarray]:
    """Return number -> codes int32 `[p, q]` of each picture, for clips of height x width.

    RequestError for a picture that is too small or too large.
    """
    found, size = {}, portrait_size(height, width, tokenizer.config.space_stride)
    for number, picture in enumerate(pictures, 1):
        seen = pixels(picture)
        tall, wide = seen.shape[:2]
        if min(tall, wide) < _LEAST or tall * wide > _MOST:
            raise RequestError(
                f"reference {number} has {wide}x{tall} pixels; it takes {_LEAST} or more on each side, and at most "
                f"{_MOST // 1_000_000} megapixels"
            )
        found[number] = tokenizer.encode(portrait(seen, *size)[None])[0, 0]
    return found


def check_names(prompts: Sequence[str], count: int) -> None:
    """Check that prompts name exactly the references 1 to `count`; a blank prompt names all. RequestError if not."""
    named = {number for prompt in prompts for number in around_names(prompt)[1]}
    if unknown := sorted(named - {*range(1, count + 1)}):
        there = f"the references go from <1> to <{count}>" if count else "no references are given"
        raise RequestError(f"the words name <{unknown[0]}>, and {there}")
    if not all(visible(prompt).strip() for prompt in prompts):
        return
    if unnamed := sorted({*range(1, count + 1)} - named):
        raise RequestError(f"no words name reference <{unnamed[0]}>; say where it is, such as: a red <{unnamed[0]}>")
