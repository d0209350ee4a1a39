"""What reads a model's words, in the model's folder: pieces and a small encoder lie in it, a large one is named there.

In: a `Text`, or what a folder says of it. Out: files and the part "text_encoder" of model.json; a `Text` again. A
large encoder is larger than the models that read it, so a folder holds its hash alone, and who loads the model names
the encoder's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelm.errors import RequestError
from reelm.lm.net.config import LMConfig
from reelm.storage.home import home
from reelm.storage.tensors import StoredType, pack
from reelm.tokenizer import text_encoders
from reelm.tokenizer.text.cache import CachedEncoder
from reelm.tokenizer.text.encoder import Embeddings, Text
from reelm.tokenizer.text.pieces import TextTokenizer
from reelm.tokenizer.text.words import words_of

from .manifest import ENCODER_FILE, PIECES_FILE, TextEncoderPart


@dataclass(frozen=True)
class AbsentEncoder:
    """A text encoder that a model names and does not carry: whoever asks it for embeddings is told so."""

    kind: str
    width: int
    max_tokens: int
    hash: str
    carried = None
    embeds_sentences = False

    words = staticmethod(words_of)

    def count(self, prompt: str) -> int:
        raise self._refusal()

    def encode(self, prompts: Sequence[str]) -> Embeddings:
        raise self._refusal()

    def _refusal(self) -> RequestError:
        name = text_encoders.KINDS[self.kind].name
        return RequestError(
            f"the model reads words through a {name} of width {self.width} that it does not carry (hash "
            f"{self.hash[:16]}); name its folder: load(..., text_encoder=FOLDER), or --text-encoder FOLDER"
        )


def stored(text: Text, dtype: StoredType) -> tuple[dict[str, Any], dict[str, bytes]]:
    """(parts of model.json, files by name); matrices of an encoder that is carried are stored as `dtype`."""
    if isinstance(text, TextTokenizer):
        return {}, {PIECES_FILE: text.model}
    files = {}
    if text.carried is not None:
        files = {ENCODER_FILE: pack(text.carried.params, dtype), PIECES_FILE: text.carried.pieces}
    return {"text_encoder": {"kind": text.kind, "hash": text.hash}}, files


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
    carried = None if part is None else text_encoders.KINDS[part.kind].carried
    if part is None or carried is not None:
        if folder is not None:
            raise RequestError(f"the model carries what reads its words; load it without the text encoder {folder}")
        try:
            if not files[PIECES_FILE]:
                raise RuntimeError("it is empty")  # SentencePiece would say so at the first word
            if part is not None and carried is not None:
                return carried.open(params[ENCODER_FILE], files[PIECES_FILE], part.hash, max_tokens=config.text_slots)
            text = TextTokenizer(files[PIECES_FILE])
            pieces = text.vocabulary
        except (RuntimeError, UnicodeDecodeError) as error:  # SentencePiece reads its file, and quotes it
            raise RequestError(f"{PIECES_FILE} is no vocabulary of SentencePiece; fetch the model again") from error
        if pieces > config.text_vocabulary:
            raise RequestError(f"{PIECES_FILE} has {pieces} pieces, the language model knows {config.text_vocabulary}")
        return text
    if folder is None:
        return AbsentEncoder(part.kind, config.text_width, config.text_slots, part.hash)
    encoder = text_encoders.load(folder, max_tokens=config.text_slots)
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
    named = "named by whoever loads the model (text_encoder)"
    return {
        "kind": text.kind,
        "width": text.width,
        "rows": text.max_tokens,
        "weights": named if text.carried is None else "in the model's folder",
        "hash": text.hash,
    }
