"""Words to ids: SentencePiece (arXiv 1808.06226), trained on the captions of a data set.

In: a string. Out: a list of ids from 0. Case and width of letters do not matter (NFKC, folded); what the captions never
held falls back to bytes, so any text has ids. Text never spells a control token: pieces only stand for text.
"""

import io
import unicodedata
from collections.abc import Iterable
from functools import cached_property

import sentencepiece

from reelm.errors import RequestError

from .words import words_of


class TextTokenizer:
    """A trained SentencePiece model, held as its serialised bytes."""

    def __init__(self, model: bytes):
        self.model = model

    @classmethod
    def train(cls, captions: Iterable[str], vocabulary: int = 512) -> "TextTokenizer":
        """Train a model of at most `vocabulary` pieces, 256 of them bytes; the same captions give the same model."""
        out = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=map(_folded, captions),
            model_writer=out,
            model_type="bpe",  # every word of a small vocabulary becomes one piece; unigram would cut them up
            vocab_size=vocabulary,
            hard_vocab_limit=False,
            byte_fallback=True,
            normalization_rule_name="identity",  # `encode` does it; the table would be most of the model's bytes
            num_threads=1,
            minloglevel=2,
            bos_id=-1,
            eos_id=-1,
        )
        return cls(out.getvalue())

    @cached_property
    def _processor(self) -> sentencepiece.SentencePieceProcessor:
        return sentencepiece.SentencePieceProcessor(model_proto=self.model)

    @property
    def vocabulary(self) -> int:
        return self._processor.get_piece_size()

    def knows(self, word: str) -> bool:
        """Whether a word is a piece of its own, as every word that the captions often hold."""
        return len(self._processor.encode(_folded(word))) == 1

    words = staticmethod(words_of)

    def count(self, text: str) -> int:
        """Return the number of ids that `text` takes."""
        return len(self.encode(text))

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`; control characters count as spaces. RequestError for invalid Unicode."""
        return self._processor.encode(_folded(valid_unicode(text)))


def _folded(text: str) -> str:
    """Return the text without differences of case and width, with single spaces between words."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join("".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in text).split())


def valid_unicode(text: str) -> str:
    """Return the text; RequestError when it is not valid Unicode."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RequestError(f"the prompt holds a lone surrogate at character {error.start}; pass valid text") from error
    return text
