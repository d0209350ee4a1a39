"""Convert text to ids with SentencePiece (arXiv 1808.06226), trained on the captions of a data set.

In: a string. Out: a list of ids from 0. Case and width of letters do not matter (NFKC, case folded). Han characters are
separated by spaces, so that pieces are words and not clauses. Traditional characters and accents that are not in the
captions are read as simplified characters and plain letters. Other characters that are not in the captions fall back to
bytes, so any text has ids. Text is never read as a control token: pieces are only text.
"""

import io
import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property

import sentencepiece

from reelm.errors import RequestError

from .words import normalised, readable, set_apart, words_of

# Chinese punctuation marks; their glyph includes the space after them.
_MARKS = str.maketrans({mark: f"{narrow} " for mark, narrow in zip("，。、；：！？", ",.,;:!?", strict=True)})


class TextTokenizer:
    """A trained SentencePiece model, held as its serialised bytes."""

    def __init__(self, model: bytes):
        self.model = model

    @classmethod
    def train(cls, captions: Iterable[str], vocabulary: int = 512) -> "TextTokenizer":
        """Train a model of at most `vocabulary` pieces, 256 of them bytes; the same captions give the same model.

        Raises RequestError when the bytes and letters are already more than that.
        """
        out = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=map(_folded, captions),
                model_writer=out,
                model_type="bpe",  # with few distinct words, each becomes one piece; unigram would split them
                vocab_size=vocabulary,
                hard_vocab_limit=False,
                byte_fallback=True,
                normalization_rule_name="identity",  # `encode` normalises; the table would be most of the bytes
                num_threads=1,
                minloglevel=2,
                bos_id=-1,
                eos_id=-1,
            )
        except RuntimeError as error:
            least = re.search(r"required_chars\. \d+ vs (\d+)", str(error))
            if least is None:
                raise
            raise RequestError(
                f"a text vocabulary of {vocabulary} is too small: bytes and the letters of these captions are "
                f"{least[1]} pieces; take that or more"
            ) from error
        return cls(out.getvalue())

    @cached_property
    def _processor(self) -> sentencepiece.SentencePieceProcessor:
        return sentencepiece.SentencePieceProcessor(model_proto=self.model)

    @property
    def vocabulary(self) -> int:
        return self._processor.get_piece_size()

    def words(self, text: str) -> list[str]:
        """Return the words of a text in lower case, in the form in which they are read."""
        return words_of(self._readable(text))

    def count(self, text: str) -> int:
        """Return the number of ids that `text` takes."""
        return len(self.encode(text))

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`; control characters count as spaces. RequestError for invalid Unicode."""
        return self._processor.encode(self._readable(text))

    def _readable(self, text: str) -> str:
        return readable(_folded(text), lambda word: len(self._processor.encode(word)))


def _folded(text: str) -> str:
    """Fold case and width of the text, and put spaces between words and Han characters."""
    folded = unicodedata.normalize("NFKC", normalised(text.translate(_MARKS)).casefold())
    return set_apart(folded)
