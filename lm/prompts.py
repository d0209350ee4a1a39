"""Convert prompts to prefixes.

In: strings, and a `Text` that reads them. That is a text tokenizer, for whose pieces the model has embeddings, or a
frozen text encoder, whose embeddings it takes. Out: a `Prefix` of only words. The rest of the model sees only arrays.
To a net that knows references, a name such as <1> is one id, whatever the text tokenizer would make of it.
"""

import bisect
from collections.abc import Sequence
from typing import Any

import numpy as np

from reelm.errors import RequestError
from reelm.lm.net.config import LMConfig
from reelm.tokenizer.text.encoder import Text
from reelm.tokenizer.text.pieces import TextTokenizer

from .prefix import Prefix
from .specials import MOST_REFERENCES, NAMES, SPECIALS, around_names, check_length, prefix_ids


def prompt_prefix(
    config: LMConfig,
    text: Text,
    prompts: Sequence[str],
    *,
    rows: int,
    columns: int,
    fps: float,
) -> Prefix:
    """Return a prefix with a row for each prompt. A blank prompt means no condition, as in guidance and dropout.

    Args:
        config: sizes of the net.
        text: reads the prompts; `check_text` must accept it.
        prompts: as the model reads them.
        rows, columns, fps: as for `specials.prefix_ids`.

    Raises:
        RequestError: a prompt is too long or not valid Unicode, or there is no id for a size.
    """
    pieces: list[list[int]] = [[] for _ in prompts]
    embeddings = np.zeros((len(prompts), config.text_slots if config.text_width else 0, config.text_width), np.float32)
    with_words = [i for i, prompt in enumerate(prompts) if prompt.strip()]
    if isinstance(text, TextTokenizer):
        for i in with_words:
            pieces[i] = _word_ids(config, text, prompts[i])
    elif with_words:
        embeddings[with_words], mask = text.encode([prompts[i] for i in with_words])
        for i, count in zip(with_words, mask.sum(axis=1), strict=True):
            pieces[i] = [SPECIALS] * count
    size: dict[str, Any] = {"rows": rows, "columns": columns, "fps": fps}
    ids = [prefix_ids(text=each, length=config.prefix, **size) for each in pieces]
    return Prefix.of_words(np.stack(ids), rows, columns, embeddings)


def truncated(config: LMConfig, text: Text, prompt: str) -> str:
    """Cut the prompt to the longest beginning that fits a prefix."""
    if count(config, text, prompt) <= config.text_slots:
        return prompt

    def of_letters(letters: int) -> int:
        return count(config, text, prompt[:letters])

    return prompt[: bisect.bisect_right(range(len(prompt)), config.text_slots, key=of_letters) - 1]


def count(config: LMConfig, text: Text, prompt: str) -> int:
    """Return the slots that a prompt takes."""
    return len(_word_ids(config, text, prompt)) if isinstance(text, TextTokenizer) else text.count(prompt)


def check_fits(config: LMConfig, text: Text, prompt: str) -> None:
    """Raise RequestError when a prompt is too long for a prefix or not valid Unicode."""
    check_length(count(config, text, prompt), config.text_slots)


def check_text(config: LMConfig, text: Text) -> None:
    """Check that a model can read a `Text`; RequestError when their widths or lengths differ."""
    width = 0 if isinstance(text, TextTokenizer) else text.width
    if width != config.text_width:
        raise RequestError(f"the language model reads {_read(config.text_width)}, not {_read(width)} (its text_width)")
    if not isinstance(text, TextTokenizer) and text.max_tokens != config.text_slots:
        raise RequestError(f"the text encoder gives {text.max_tokens} rows; the model has {config.text_slots} slots")


def _word_ids(config: LMConfig, text: TextTokenizer, prompt: str) -> list[int]:
    """Return the ids of words, as `prefix_ids` takes them."""
    parts, numbers = around_names(prompt) if config.references else ([prompt], [])
    if unknown := [number for number in numbers if not 1 <= number <= MOST_REFERENCES]:
        raise RequestError(f"the prompt names <{unknown[0]}>; references are <1> to <{MOST_REFERENCES}>")
    ids = [[SPECIALS + piece for piece in text.encode(part)] for part in parts]
    for place, number in enumerate(numbers, 1):
        ids[place].insert(0, NAMES + number)
    return [each for part in ids for each in part]


def _read(width: int) -> str:
    """Return what a language model of this `text_width` reads, in words."""
    return f"embeddings of width {width}" if width else "pieces of a text tokenizer"
