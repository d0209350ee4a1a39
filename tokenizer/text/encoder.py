"""The interface of frozen text encoders, which turn prompts into embeddings.

In: strings. Out: float32 rows of one width with a mask. T5 (`t5.py`) and the Universal Sentence Encoder, lite
(`sentence_encoder.py`) and multilingual (`multilingual_encoder.py`), have this interface. `text_encoders.py`
lists the kinds, `cache.py` keeps embeddings on disk. Language models see only the rows; this module knows nothing of
them.
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
    """The embeddings of B prompts.

    values: float32 `[B, L, D]`, zero where there is no token.
    mask: bool `[B, L]`, True where there is a token; tokens come first, padding last.
    """

    values: np.ndarray
    mask: np.ndarray


class Carried(NamedTuple):
    """The parts of an encoder that a model folder stores.

    params: its weights, as nested dicts.
    pieces: its vocabulary, a serialised SentencePiece model.
    """

    params: dict
    pieces: bytes


class TextEncoder(Protocol):
    """A frozen encoder. The embedding of a prompt depends only on `hash`, `max_tokens` and the prompt."""

    @property
    def kind(self) -> str:
        """Its name in `text_encoders.KINDS`, which is the `model_type` of its config.json."""
        ...

    @property
    def carried(self) -> Carried | None:
        """The parts that a model folder stores; None for an encoder that is larger than the models that read it."""
        ...

    @property
    def embeds_sentences(self) -> bool:
        """Whether row 0 is an embedding of the whole prompt, as prompt retrieval needs."""
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
        """Hash of weights and vocabulary; weights stored in a smaller number format keep the original hash."""
        ...

    def words(self, text: str) -> list[str]:
        """Return the words of a text in lower case, as a training domain lists them."""
        ...

    def unknown(self, prompt: str) -> list[str]:
        """Return the parts of a prompt that the vocabulary does not know. The net sees them as one unknown piece."""
        ...

    def count(self, prompt: str) -> int:
        """Return the number of rows of a prompt, which may exceed `max_tokens`; RequestError for invalid Unicode."""
        ...

    def encode(self, prompts: Sequence[str]) -> Embeddings:
        """Return the embeddings; RequestError when a prompt has more than `max_tokens` or is not valid Unicode."""
        ...


Text = TextTokenizer | TextEncoder


def content_hash(*parts: bytes | Path) -> str:
    """Return the sha256 in hex of the digests of bytes and files, so that moving a byte between two changes it."""
    whole = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            whole.update(bytes.fromhex(sha256_of(part)))
        else:
            whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()


def padded(batch: Sequence[Sequence[int]], length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ids int32 `[B', L]` and their mask bool `[B', L]`; B' is a power of two, to compile fewer programs.

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
    """Run `forward(ids, mask) -> (values, mask)` on ids, `BATCH` prompts at a time."""
    made = []
    for first in range(0, max(len(batch), 1), BATCH):  # also without prompts, to know the shapes
        part = batch[first : first + BATCH]
        made.append([np.asarray(leaf)[: len(part)] for leaf in forward(*padded(part, length))])
    values, masks = (np.concatenate(leaves) for leaves in zip(*made, strict=True))
    return Embeddings(values, masks)
