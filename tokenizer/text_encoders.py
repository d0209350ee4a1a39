"""The kinds of text encoders, and how to open their folders. An encoder, and JAX, is imported when it is opened."""

import importlib
from pathlib import Path
from typing import Any, Literal, NamedTuple

from reelm.errors import RequestError
from reelm.storage.fields import read_json, shown
from reelm.tokenizer.text.encoder import CONFIG_FILE, TextEncoder

EncoderKind = Literal[
    "universal-sentence-encoder-lite", "universal-sentence-encoder-multilingual", "t5", "language-model"
]


class Kind(NamedTuple):
    """A kind of encoder.

    name: used in messages.
    module: in `reelm.tokenizer.text`; its function `load` opens a folder.
    carried: its class, if a model folder stores the encoder and not only its name; else "".
    """

    name: str
    module: str
    carried: str = ""

    def load(self, folder: Path, *, max_tokens: int) -> TextEncoder:
        """Open the folder of an encoder."""
        return self._imported.load(folder, max_tokens=max_tokens)

    def open(self, params: dict, pieces: bytes, hash: str, *, max_tokens: int) -> TextEncoder:
        """Open an encoder that a model folder stores."""
        return getattr(self._imported, self.carried)(params, pieces, hash, max_tokens=max_tokens)

    def forward(self, params: dict, ids: Any, mask: Any) -> Any:
        """Run the net of an encoder that a model folder stores; it raises when the parameters do not fit."""
        return self._imported.forward(params, ids, mask)

    @property
    def _imported(self) -> Any:
        return importlib.import_module(f"reelm.tokenizer.text.{self.module}")


KINDS: dict[str, Kind] = {
    "t5": Kind("T5", "t5"),
    "language-model": Kind("language model", "llm.encoder"),
    "universal-sentence-encoder-lite": Kind("sentence encoder", "sentence_encoder", "SentenceEncoder"),
    "universal-sentence-encoder-multilingual": Kind(
        "multilingual sentence encoder", "multilingual_encoder", "MultilingualEncoder"
    ),
}
"""Each kind by the `model_type` of its config.json."""


def load(folder: Path, *, max_tokens: int = 64) -> TextEncoder:
    """Open the encoder that a folder holds, by the `model_type` of its config.json.

    Args:
        folder: of a published T5 checkpoint (config.json, *.safetensors, spiece.model), or one that
            `convert_sentence_encoder.py`, `convert_multilingual_encoder.py` or `text/llm/point.py` wrote.
        max_tokens: rows of an embedding; VideoPoet takes 64 of T5 (arXiv 2312.14125, section 3.1).

    Raises:
        RequestError: the folder does not exist, or it holds another kind of model.
    """
    path = Path(folder) / CONFIG_FILE
    try:
        config = read_json(path)
    except RequestError as error:
        raise RequestError(f"cannot read a text encoder from {folder}: {error}; name a folder with one") from error
    kind = config.get("model_type") if isinstance(config, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        from reelm.tokenizer.text.llm.config import FAMILIES

        pointed = isinstance(kind, str) and kind.removesuffix("_text") in FAMILIES
        how = "; point to it with `python -m reelm.tokenizer.text.llm.point`" if pointed else ""
        raise RequestError(f"{path} describes {shown(kind)}; the text encoders known here are {', '.join(KINDS)}{how}")
    return KINDS[kind].load(Path(folder), max_tokens=max_tokens)
