"""Frozen text encoders behind one interface: prompts in, embeddings out, each prompt computed once.

In: strings. Out: float32 rows of one width with a mask. `load` opens a folder that holds T5 (`t5.py`) or the Universal
Sentence Encoder lite (`sentence_encoder.py`); `CachedEncoder` keeps what one of them said on disk. Knows nothing of
language models, which see the rows alone.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import jax
import numpy as np

from .request import RequestError

CONFIG_FILE = "config.json"
_BATCH = 32


class Embeddings(NamedTuple):
    """What an encoder makes of B prompts.

    values: float32 `[B, L, D]`, zero where there is no token.
    mask: bool `[B, L]`, whether there is one; tokens stand in front.
    """

    values: np.ndarray
    mask: np.ndarray


class TextEncoder(Protocol):
    """A frozen encoder. The embedding of a prompt depends on nothing but `hash`, `max_tokens` and the prompt."""

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
        """Names weights and vocabulary by their content; of weights stored in a smaller format, those they were."""
        ...

    def count(self, prompt: str) -> int:
        """Rows that a prompt takes, which may be more than `max_tokens`; RequestError when it is not valid Unicode."""
        ...

    def encode(self, prompts: Sequence[str]) -> Embeddings:
        """Embeddings of the prompts; RequestError when one has more than `max_tokens`, or is not valid Unicode."""
        ...


def load(folder: Path, *, max_tokens: int = 64) -> TextEncoder:
    """The encoder that a folder holds, by the `model_type` of its config.json.

    Args:
        folder: of a published T5 checkpoint (config.json, *.safetensors, spiece.model), or one that
            `convert_sentence_encoder.py` wrote.
        max_tokens: rows of an embedding; VideoPoet takes 64 of T5 (arXiv 2312.14125, section 3.1).

    Raises:
        RequestError: no such folder, or another model in it.
    """
    from . import sentence_encoder, t5  # which build on this file

    path = Path(folder) / CONFIG_FILE
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RequestError(f"no text encoder can be read from {folder}: {error}; name a folder with one") from error
    loaders = {"t5": t5.load, sentence_encoder.MODEL_TYPE: sentence_encoder.load}
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind not in loaders:
        raise RequestError(f"{path} describes {kind!r}; the text encoders known here are {', '.join(loaders)}")
    return loaders[kind](Path(folder), max_tokens=max_tokens)


def content_hash(*parts: bytes | Path) -> str:
    """sha256 in hex of bytes and files, each by its own digest, so that nothing moves from one to the next unseen."""
    whole = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            with part.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
        else:
            whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()


def padded(batch: Sequence[Sequence[int]], length: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids int32 `[B', L]` and mask bool `[B', L]`, with rows added up to a power of two, so that programs are few.

    RequestError when a prompt has more than `length` ids.
    """
    rows = 1 << max(len(batch) - 1, 0).bit_length()
    ids, mask = np.zeros((rows, length), np.int32), np.zeros((rows, length), bool)
    for row, tokens in enumerate(batch):
        if len(tokens) > length:
            raise RequestError(f"the prompt takes {len(tokens)} text tokens, but {length} fit; say it in fewer words")
        ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, True
    return ids, mask


def in_batches(
    forward: Callable[[np.ndarray, np.ndarray], tuple[jax.Array, jax.Array]],
    batch: Sequence[Sequence[int]],
    length: int,
) -> Embeddings:
    """What `forward(ids, mask) -> (values, mask)` makes of ids, `_BATCH` prompts at a time."""
    made = []
    for first in range(0, max(len(batch), 1), _BATCH):  # of no prompts too, so that there are shapes
        part = batch[first : first + _BATCH]
        made.append([np.asarray(leaf)[: len(part)] for leaf in forward(*padded(part, length))])
    values, masks = (np.concatenate(leaves) for leaves in zip(*made, strict=True))
    return Embeddings(values, masks)


class CachedEncoder:
    """An encoder whose embeddings are kept in `folder`, by the content of the prompt and of the encoder.

    A prompt that was seen before, by whatever process, does not run the encoder. Files are float32 `[n, D]` of the n
    tokens of one prompt; they appear whole, and one that cannot be read is made anew.
    """

    def __init__(self, encoder: TextEncoder, folder: Path):
        self.encoder = encoder
        self.folder = Path(folder) / f"{encoder.hash[:16]}-{encoder.max_tokens}"

    @property
    def width(self) -> int:
        return self.encoder.width

    @property
    def max_tokens(self) -> int:
        return self.encoder.max_tokens

    @property
    def hash(self) -> str:
        return self.encoder.hash

    def count(self, prompt: str) -> int:
        return self.encoder.count(prompt)

    def encode(self, prompts: Sequence[str]) -> Embeddings:
        """As the encoder itself; only prompts that are not in the folder reach it, each once."""
        found = {prompt: self._read(prompt) for prompt in prompts}
        found.update(self._make([prompt for prompt, rows in found.items() if rows is None]))
        values = np.zeros((len(prompts), self.max_tokens, self.width), np.float32)
        mask = np.zeros((len(prompts), self.max_tokens), bool)
        for row, prompt in enumerate(prompts):
            rows = found[prompt]
            assert rows is not None  # read, or just made
            values[row, : len(rows)], mask[row, : len(rows)] = rows, True
        return Embeddings(values, mask)

    def keep(self, prompts: Iterable[str]) -> None:
        """Computes those of the prompts that are not in the folder, and reads none that are."""
        for _ in self._make([prompt for prompt in dict.fromkeys(prompts) if not self._path(prompt).is_file()]):
            pass

    def _make(self, prompts: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
        """The rows of each prompt, now in the folder as well."""
        for first in range(0, len(prompts), _BATCH):
            part = prompts[first : first + _BATCH]
            made = self.encoder.encode(part)
            for prompt, values, mask in zip(part, made.values, made.mask, strict=True):
                self._write(prompt, values[mask])
                yield prompt, values[mask]

    def _path(self, prompt: str) -> Path:
        # A lone surrogate has a name here; that it is no valid prompt is the encoder's to say.
        return self.folder / f"{content_hash(prompt.encode(errors='surrogatepass'))}.npy"

    def _read(self, prompt: str) -> np.ndarray | None:
        try:
            rows = np.load(self._path(prompt), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        fits = rows.dtype == np.float32 and rows.ndim == 2 and rows.shape[1] == self.width
        return rows if fits and len(rows) <= self.max_tokens else None

    def _write(self, prompt: str, rows: np.ndarray) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(prompt)
        temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
        try:
            with temporary.open("wb") as file:
                np.save(file, rows)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
