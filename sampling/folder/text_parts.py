"""The text encoder of a model folder. The folder holds pieces and a small encoder, but only the hash of a large one.

In: a `Text`, or what a folder says of it. Out: files and the part "text_encoder" of model.json, or a `Text`. A large
encoder is larger than the models that use it, so the user gives its folder to `reelm.load`. A thesaurus uses the
encoder of the language model, or one of its own in the folder.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelm.errors import RequestError
from reelm.lm.net.config import LMConfig
from reelm.storage.home import home
from reelm.storage.tensors import StoredType, pack
from reelm.tokenizer import text_encoders
from reelm.tokenizer.text.cache import CachedEncoder
from reelm.tokenizer.text.encoder import Embeddings, Text, TextEncoder
from reelm.tokenizer.text.pieces import TextTokenizer
from reelm.tokenizer.text.thesaurus import Thesaurus
from reelm.tokenizer.text.words import words_of

from .manifest import (
    ENCODER_FILE,
    PIECES_FILE,
    READS_FILE,
    READS_PIECES_FILE,
    THESAURUS_FILE,
    TextEncoderPart,
    ThesaurusPart,
)

_LONGEST = 64  # pieces of a prompt that a thesaurus with an encoder of its own reads


@dataclass(frozen=True)
class AbsentEncoder:
    """A text encoder that the model folder does not hold and the user did not give. It refuses to embed prompts."""

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
    """Return (parts of model.json, files by name); matrices of an encoder in the folder are stored as `dtype`."""
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
    """Return the text tokenizer or encoder that a model folder holds, or the encoder in `folder` that it names.

    Raises:
        RequestError: `folder` holds another encoder than the model was trained with, or the model needs none.
    """
    carried = None if part is None else text_encoders.KINDS[part.kind].carried
    if part is None or carried is not None:
        if folder is not None:
            raise RequestError(f"the model carries what reads its words; load it without the text encoder {folder}")
        if part is not None and carried is not None:
            return _carried(carried, params[ENCODER_FILE], files, PIECES_FILE, part.hash, config.text_slots)
        with _sound(files, PIECES_FILE):
            text = TextTokenizer(files[PIECES_FILE])
            pieces = text.vocabulary
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


def _carried(
    kind: text_encoders.CarriedKind, params: dict, files: Mapping[str, bytes], pieces: str, hash: str, max_tokens: int
) -> TextEncoder:
    """Return an encoder that a model's folder holds."""
    with _sound(files, pieces):
        return kind.open(params, files[pieces], hash, max_tokens=max_tokens)


@contextmanager
def _sound(files: Mapping[str, bytes], pieces: str) -> Iterator[None]:
    """Turn an error of SentencePiece into a RequestError that names the damaged file."""
    try:
        if not files[pieces]:
            raise RuntimeError("it is empty")  # SentencePiece would say so at the first word
        yield
    except (RuntimeError, UnicodeDecodeError) as error:  # its message may quote bytes of the file
        raise RequestError(f"{pieces} is not a vocabulary of SentencePiece; fetch the model again") from error


def stored_thesaurus(
    thesaurus: Thesaurus, read: Text | None, dtype: StoredType
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return (parts of model.json, files by name). `read` is the encoder of the language model, stored only once."""
    encoder, files = thesaurus.encoder, {THESAURUS_FILE: pack(thesaurus.params, dtype)}
    part: dict[str, Any] = {each: getattr(thesaurus, each) for each in ("captions", "modifiers", "names")}
    if isinstance(read, TextTokenizer) or read is None or read.hash != encoder.hash:
        if encoder.carried is None:
            raise RequestError("the model's folder holds the encoder of a thesaurus; take a small one")
        part["encoder"] = {"kind": encoder.kind, "hash": encoder.hash}
        files |= {READS_FILE: pack(encoder.carried.params, dtype), READS_PIECES_FILE: encoder.carried.pieces}
    return {"thesaurus": part}, files


def opened_thesaurus(
    part: ThesaurusPart, files: Mapping[str, bytes], params: Mapping[str, dict], read: Text | None
) -> Thesaurus:
    """Return the thesaurus of a model folder; `read` is the encoder of the language model.

    Raises:
        RequestError: its encoder embeds no sentences, or its pieces are damaged.
    """
    encoder = read
    if part.encoder is not None:
        carried = text_encoders.KINDS[part.encoder.kind].carried
        if carried is None:
            raise RequestError(f"{part.encoder.kind} is not an encoder that a model's folder can hold")
        encoder = _carried(carried, params[READS_FILE], files, READS_PIECES_FILE, part.encoder.hash, _LONGEST)
    if encoder is None or isinstance(encoder, TextTokenizer):
        raise RequestError("the thesaurus of the model has no sentence encoder; fetch the model again")
    return Thesaurus(part.captions, part.modifiers, params[THESAURUS_FILE], encoder, part.names)


def about(text: Text) -> dict[str, Any]:
    """Return a description of a text tokenizer or encoder, as JSON values."""
    if isinstance(text, TextTokenizer):
        return {"kind": "pieces, learned with the model", "pieces": text.vocabulary}
    named = "named when the model is loaded (text_encoder)"
    return {
        "kind": text.kind,
        "width": text.width,
        "rows": text.max_tokens,
        "weights": named if text.carried is None else "in the model's folder",
        "hash": text.hash,
    }
