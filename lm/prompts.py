"""From what people say to the words of a prefix.

In: strings, and what reads them: a text tokenizer, whose pieces the model has embeddings of, or a frozen text encoder,
whose embeddings it takes. Out: a `Prefix` of words alone. All else of the model and its decoding sees arrays.
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
from .specials import prefix_ids


def words_of(
    config: LMConfig,
    text: Text,
    prompts: Sequence[str],
    *,
    rows: int,
    columns: int,
    fps: float,
    continues: bool = False,
) -> Prefix:
    """A row for each prompt; a blank one is no condition, as it is for guidance and for condition dropout.

    Args:
        text: that `check_text` lets pass.
        rows, columns, fps, continues: as for `stream.prefix_ids`.

    Raises:
        RequestError: a prompt that is too long or no valid Unicode, or a size that the stream cannot say.
    """
    pieces: list[list[int]] = [[] for _ in prompts]
    embeddings = np.zeros((len(prompts), config.text_slots if config.text_width else 0, config.text_width), np.float32)
    said = [i for i, prompt in enumerate(prompts) if prompt.strip()]
    if isinstance(text, TextTokenizer):
        for i in said:
            pieces[i] = text.encode(prompts[i])
    elif said:
        embeddings[said], mask = text.encode([prompts[i] for i in said])
        for i, count in zip(said, mask.sum(axis=1), strict=True):
            pieces[i] = [0] * count
    size: dict[str, Any] = {"rows": rows, "columns": columns, "fps": fps, "continues": continues}
    ids = [prefix_ids(text=each, length=config.prefix, **size) for each in pieces]
    return Prefix.of_words(np.stack(ids), rows, columns, embeddings)


def beginning(config: LMConfig, text: Text, prompt: str) -> str:
    """The prompt, or as much of its beginning as a prefix holds."""
    if text.count(prompt) <= config.text_slots:
        return prompt
    count = lambda letters: text.count(prompt[:letters])  # noqa: E731
    return prompt[: bisect.bisect_right(range(len(prompt)), config.text_slots, key=count) - 1]


def check_text(config: LMConfig, text: Text) -> None:
    """RequestError unless `text` gives what the model reads."""
    width = 0 if isinstance(text, TextTokenizer) else text.width
    if width != config.text_width:
        of = lambda width: f"embeddings of width {width}" if width else "pieces of a text tokenizer"  # noqa: E731
        raise RequestError(f"the language model reads {of(config.text_width)}, not {of(width)} (its text_width)")
    if not isinstance(text, TextTokenizer) and text.max_tokens != config.text_slots:
        raise RequestError(f"the text encoder gives {text.max_tokens} rows; the model has {config.text_slots} slots")
