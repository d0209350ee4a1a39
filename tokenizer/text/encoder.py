"""The interface of frozen text encoders: prompts to embeddings.

In: strings. Out: float32 rows of one width with a mask. T5 (`t5.py`) and the Universal Sentence Encoder, lite
(`sentence_encoder.py`) and multilingual (`multilingual_encoder.py`), have this interface. `text_encoders.py`
lists the kinds, `cache.py` keeps embeddings on disk. Knows nothing of language models, which see the rows alone.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from reelm.errors import RequestError
from reelm.storage.digests import sha256_of

from .pieces import TextTokenizer

if TYPE_CHECKING:
    import jax

CONFIG_FILE = "config.json"
BATCH = 32


class Embeddings(NamedTuple):
    """What an encoder makes of B prompts.

    values: float32 `[B, L, D]`, zero where there is no token.
    mask: bool `[B, L]`, whether there is one; tokens stand in front.
    """

    values: np.ndarray
    mask: np.ndarray


class Carried(NamedTuple):
    """What a model folder holds of an encoder.

    params: its weights, as nested dicts.
    pieces: its vocabulary, a serialised SentencePiece model.
    """

    params: dict
    pieces: bytes


class TextEncoder(Protocol):
    """A frozen encoder. The embedding of a prompt depends on nothing but `hash`, `max_tokens` and the prompt."""

    @property
    def kind(self) -> str:
        """Its name in `text_encoders.KINDS`, which is the `model_type` of its config.json."""
        ...

    @property
    def carried(self) -> Carried | None:
        """What a model folder holds of it; None for an encoder that is larger than the models that read it."""
        ...

    @property
    def embeds_sentences(self) -> bool:
        """Whether row 0 stands for the whole prompt, as a thesaurus needs."""
        ...

    @property
    def width(self) -> int:
        """D of the embeddings."""
        ...

    @property
    def max_tokens(self) -> int:
        """L of the embeddings."""
        ...

    @property
    def hash(self) -> str:
        """Hash of weights and vocabulary; weights stored in a smaller number format keep the hash of the original."""
        ...

    def words(self, text: str) -> list[str]:
        """Return the words of a text in small letters, as a scope lists them."""
        ...

    def count(self, prompt: str) -> int:
        """Return the rows that a prompt takes, perhaps above `max_tokens`; RequestError for invalid Unicode."""
        ...

    def encode(self, prompts: Sequence[str]) -> Embeddings:
        """Return the embeddings; RequestError when a prompt has more than `max_tokens` or is no valid Unicode."""
        ...


Text = TextTokenizer | TextEncoder


def content_hash(*parts: bytes | Path) -> str:
    """Return the sha256 in hex of bytes and files, each by its own digest, so that their borders count."""
    whole = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            whole.update(bytes.fromhex(sha256_of(part)))
        else:
            whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()


def padded(batch: Sequence[Sequence[int]], length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ids int32 `[B', L]` and their mask bool `[B', L]`; rows are added up to a power of two to compile less.

    Raises:
        RequestError: a prompt has more than `length` ids.
    """
    rows = 1 << max(len(batch) - 1, 0).bit_length()
    ids, mask = np.zeros((rows, length), np.int32), np.zeros((rows, length), bool)
    for row, tokens in enumerate(batch):
        if len(tokens) > length:
            raise RequestError(f"the prompt takes {len(tokens)} text tokens, but {length} fit; say it in fewer words")
        ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, True
    return ids, mask


def in_batches(
    forward: "Callable[[np.ndarray, np.ndarray], tuple[jax.Array, jax.Array]]",
    batch: Sequence[Sequence[int]],
    length: int,
) -> Embeddings:
    """Return what `forward(ids, mask) -> (values, mask)` makes of ids, `BATCH` prompts at a time."""
    made = []
    for first in range(0, max(len(batch), 1), BATCH):  # of no prompts too, so that there are shapes
        part = batch[first : first + BATCH]
        made.append([np.asarray(leaf)[: len(part)] for leaf in forward(*padded(part, length))])
    values, masks = (np.concatenate(leaves) for leaves in zip(*made, strict=True))
    return Embeddings(values, masks)
