"""The code that both Universal Sentence Encoders share: prompts to rows, affine layers, reading folders.

In: prompts. Out: float32 rows: the embedding of the sentence, then one row for each of its tokens. The nets are
in `sentence_encoder.py` and `multilingual_encoder.py`.
"""

import abc
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import sentencepiece
from safetensors import SafetensorError
from safetensors.numpy import load_file

from reelm.errors import RequestError
from reelm.storage.tensors import nested

from .encoder import Carried, Embeddings, content_hash, in_batches
from .words import normalised, readable, words_of

Array = Any  # of NumPy or JAX
WEIGHTS_FILE, TEXT_FILE = "model.safetensors", "text.model"


class UniversalEncoder(abc.ABC):
    """A `TextEncoder` of sentences. Row 0 embeds the sentence, scaled as the rows of tokens, which follow.

    Attributes:
        kind: of the encoder, as in `text_encoders.KINDS`.
        longest: most rows of a prompt.
        params: of the net.
        text: the vocabulary, as SentencePiece stores it.
    """

    kind: ClassVar[str]
    longest: ClassVar[int]
    embeds_sentences = True

    def __init__(self, params: dict, text: bytes, hash: str, *, max_tokens: int):
        if not 2 <= max_tokens <= self.longest:
            raise RequestError(f"max_tokens is {max_tokens}; this encoder takes 2 to {self.longest}")
        self.params, self.text, self.max_tokens, self.hash = params, text, max_tokens, hash
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=text)

    @property
    @abc.abstractmethod
    def width(self) -> int:
        """Number of values in a row."""

    @abc.abstractmethod
    def embed(self, ids: np.ndarray, mask: np.ndarray) -> tuple[Array, Array]:
        """Return rows `[B, 1 + L, width]` of pieces int32 `[B, L]`, and their mask bool `[B, 1 + L]`."""

    @property
    def carried(self) -> Carried:
        return Carried(self.params, self.text)

    def words(self, text: str) -> list[str]:
        return words_of(self._readable(text))

    def count(self, prompt: str) -> int:
        return 1 + len(self.ids(prompt))

    def ids(self, prompt: str) -> list[int]:
        """Return the ids of a prompt's pieces, from 0; case matters to these vocabularies."""
        return self._processor.encode(self._readable(prompt))

    def unknown(self, prompt: str) -> list[str]:
        return [piece.strip("▁") for piece, known in self._cut(self._readable(prompt)) if not known]

    def _readable(self, text: str) -> str:
        return readable(normalised(text), self._pieces)

    def _pieces(self, word: str) -> int:
        """Return the number of pieces of a word. An unknown piece counts one more than its letters."""
        return sum(1 if known else 1 + len(piece) for piece, known in self._cut(word))

    def _cut(self, text: str) -> list[tuple[str, bool]]:
        """Return the pieces of a text, and whether the vocabulary knows each of them."""
        ids, pieces = self._processor.encode(text), self._processor.encode(text, out_type=str)
        return [(piece, id != self._processor.unk_id()) for piece, id in zip(pieces, ids, strict=True)]

    def encode(self, prompts: Sequence[str]) -> Embeddings:
        """Return the embeddings of the prompts; RequestError when one has `max_tokens` pieces or more."""
        return in_batches(self.embed, [self.ids(prompt) for prompt in prompts], self.max_tokens - 1)


def affine(x: Array, p: dict) -> Array:
    return x @ p["kernel"] + p["bias"]


def layer_norm(x: Array, p: dict, epsilon: float) -> Array:
    x = x - x.mean(axis=-1, keepdims=True)
    return x / ((x * x).mean(axis=-1, keepdims=True) + epsilon) ** 0.5 * p["scale"] + p["bias"]


def read_folder(folder: Path) -> tuple[dict, bytes, str]:
    """Return (parameters, vocabulary, hash) of a converted folder; RequestError when it is not complete."""
    files = folder / WEIGHTS_FILE, folder / TEXT_FILE
    try:
        params = nested(load_file(files[0]))
        text = files[1].read_bytes()
    except (OSError, SafetensorError) as error:
        raise RequestError(f"{folder} is not a complete text encoder ({error}); convert it again") from error
    return params, text, content_hash(*files)
