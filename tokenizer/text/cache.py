"""A cache on disk for embeddings of prompts, keyed by content hash."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from reelm.storage.atomic import replacing

from .encoder import BATCH, Carried, Embeddings, TextEncoder, content_hash


class CachedEncoder:
    """An encoder that caches its embeddings in `folder`, keyed by the hashes of the prompt and of the encoder.

    A cached prompt does not run the encoder, whichever process computed it. A file is float32 `[n, D]` of the n tokens
    of one prompt. Files are written atomically, and a file that cannot be read is computed again.
    """

    def __init__(self, encoder: TextEncoder, folder: Path):
        self.encoder = encoder
        self.folder = Path(folder) / f"{encoder.hash[:16]}-{encoder.max_tokens}"

    @property
    def kind(self) -> str:
        return self.encoder.kind

    @property
    def carried(self) -> Carried | None:
        return self.encoder.carried

    @property
    def embeds_sentences(self) -> bool:
        return self.encoder.embeds_sentences

    @property
    def width(self) -> int:
        return self.encoder.width

    @property
    def max_tokens(self) -> int:
        return self.encoder.max_tokens

    @property
    def hash(self) -> str:
        return self.encoder.hash

    def words(self, text: str) -> list[str]:
        return self.encoder.words(text)

    def unknown(self, prompt: str) -> list[str]:
        return self.encoder.unknown(prompt)

    def count(self, prompt: str) -> int:
        return self.encoder.count(prompt)

    def encode(self, prompts: Sequence[str]) -> Embeddings:
        """Return the embeddings; the encoder runs only on prompts that are not in the folder, once for each."""
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
        """Compute the prompts that are not in the folder; do not read those that are."""
        for _ in self._make([prompt for prompt in dict.fromkeys(prompts) if not self._path(prompt).is_file()]):
            pass

    def _make(self, prompts: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
        """Yield each prompt with its rows, after they are written to the folder."""
        for first in range(0, len(prompts), BATCH):
            part = prompts[first : first + BATCH]
            made = self.encoder.encode(part)
            for prompt, values, mask in zip(part, made.values, made.mask, strict=True):
                self._write(prompt, values[mask])
                yield prompt, values[mask]

    def _path(self, prompt: str) -> Path:
        # A lone surrogate gets a file name here; the encoder is the one to reject it as an invalid prompt.
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
        with replacing(self._path(prompt)) as temporary:
            np.save(temporary, rows)
