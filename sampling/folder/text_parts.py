"""What reads a model's words, in the model's folder: pieces and a small encoder lie in it, a large one is named there.

In: a `Text`, or what a folder says of it. Out: files and the part "text_encoder" of model.json; a `Text` again. T5 is
larger than the models that read it, so a folder holds its hash alone, and who loads the model names the encoder's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelm.errors import RequestError
from reelm.lm.net.config import LMConfig
from reelm.storage.home import home
from reelm.storage.tensors import StoredType, pack
from reelm.tokenizer.text import open as text_encoder
from reelm.tokenizer.text.cache import CachedEncoder
from reelm.tokenizer.text.encoder import Embeddings, Text
from reelm.tokenizer.text.pieces import TextTokenizer
from reelm.tokenizer.text.sentence_encoder import MODEL_TYPE, SentenceEncoder

from .manifest import ENCODER_FILE, PIECES_FILE, TextEncoderPart


@dataclass(frozen=True)
class AbsentEncoder:
    """A text encoder that a model names and does not carry: whoever asks it for embeddings is told so."""

    width: int
    max_tokens: int
    hash: str

    def count(self, prompt: str) -> int:
        raise self._refusal()

    def encode(self, prompts: Sequence[str]) -> Embeddings:
        raise self._refusal()

    def _refusal(self) -> RequestError:
        return RequestError(
            f"the model reads words through a T5 of width {self.width} that it does not carry (hash {self.hash[:16]}); "
            "name its folder: load(..., text_encoder=FOLDER), or --text-encoder FOLDER"
        )


def stored(text: Text, dtype: StoredType) -> tuple[dict[str, Any], dict[str, bytes]]:
    """(parts of model.json, files by name); matrices of an encoder that is carried are stored as `dtype`."""
    if isinstance(text, TextTokenizer):
        return {}, {PIECES_FILE: text.model}
    if isinstance(encoder := _alone(text), SentenceEncoder):
        files = {ENCODER_FILE: pack(encoder.params, dtype), PIECES_FILE: encoder.text}
        return {"text_encoder": {"kind": MODEL_TYPE, "hash": encoder.hash}}, files
    return {"text_encoder": {"kind": "t5", "hash": encoder.hash}}, {}


def opened(
    config: LMConfig,
    part: TextEncoderPart | None,
    files: Mapping[str, bytes],
    params: Mapping[str, dict],
    folder: Path | None,
) -> Text:
    """Return what a model folder holds, or the encoder in `folder` that it names.

    Raises:
        RequestError: the folder holds another encoder than the model was trained with, or the model wants none.
    """
    if part is None or part.kind == MODEL_TYPE:
        if folder is not None:
            raise RequestError(f"the model carries what reads its words; load it without the text encoder {folder}")
        try:
            if not files[PIECES_FILE]:
                raise RuntimeError("it is empty")  # SentencePiece would say so at the first word
            if part is not None:
                encoder = params[ENCODER_FILE]
                return SentenceEncoder(encoder, files[PIECES_FILE], part.hash, max_tokens=config.text_slots)
            text = TextTokenizer(files[PIECES_FILE])
            pieces = text.vocabulary
        except (RuntimeError, UnicodeDecodeError) as error:  # SentencePiece reads its file, and quotes it
            raise RequestError(f"{PIECES_FILE} is no vocabulary of SentencePiece; fetch the model again") from error
        if pieces > config.text_vocabulary:
            raise RequestError(f"{PIECES_FILE} has {pieces} pieces, the language model knows {config.text_vocabulary}")
        return text
    if folder is None:
        return AbsentEncoder(config.text_width, config.text_slots, part.hash)
    encoder = text_encoder.load(folder, max_tokens=config.text_slots)
    if encoder.hash != part.hash:
        raise RequestError(
            f"{folder} holds another text encoder (hash {encoder.hash[:16]}) than the model was trained with "
            f"(hash {part.hash[:16]}); name the folder of that one"
        )
    return CachedEncoder(encoder, home() / "text")


def about(text: Text) -> dict[str, Any]:
    """What there is to say of it, as JSON values."""
    if isinstance(text, TextTokenizer):
        return {"kind": "pieces, learned with the model", "pieces": text.vocabulary}
    encoder = _alone(text)
    carried = isinstance(encoder, SentenceEncoder)
    return {
        "kind": MODEL_TYPE if carried else "t5",
        "width": encoder.width,
        "rows": encoder.max_tokens,
        "weights": "in the model's folder" if carried else "named by whoever loads the model (text_encoder)",
        "hash": encoder.hash,
    }


def _alone(text: Any) -> Any:
    return text.encoder if isinstance(text, CachedEncoder) else text
