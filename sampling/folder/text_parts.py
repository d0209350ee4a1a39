"""The text encoder of a model folder. The folder holds pieces and a small encoder, but only the hash of a large one.

In: a `Text`, or what a folder says of it. Out: files and the part "text_encoder" of model.json, or a `Text`. A large
encoder is larger than the models that use it, so the user gives its folder to `reelm.load`. Prompt retrieval uses the
encoder of the language model, or one of its own in the folder.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reelm.errors import RequestError
from reelm.lm.net.config import LMConfig
from reelm.storage.home import home
from reelm.storage.tensors import StoredType, pack
from reelm.tokenizer import text_encoders
from reelm.tokenizer.text.cache import CachedEncoder
from reelm.tokenizer.text.encoder import Embeddings, Text, TextEncoder
from reelm.tokenizer.text.pieces import TextTokenizer
from reelm.tokenizer.text.prompt_retrieval import PromptRetrieval
from reelm.tokenizer.text.words import words_of

from .manifest import (
    ENCODER_FILE,
    PIECES_FILE,
    PROMPT_RETRIEVAL_FILE,
    RETRIEVAL_ENCODER_FILE,
    RETRIEVAL_PIECES_FILE,
    PromptRetrievalPart,
    TextEncoderPart,
)

_LONGEST = 64  # pieces of a prompt that prompt retrieval with an encoder of its own reads


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

    def unknown(self, prompt: str) -> list[str]:
        raise self._refusal()

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


def part_of(text: Text) -> TextEncoderPart | None:
    """Return the part of a text encoder in model.json; None for a text tokenizer."""
    return None if isinstance(text, TextTokenizer) else TextEncoderPart(kind=text.kind, hash=text.hash)  # type: ignore[arg-type]


def stored(text: Text, dtype: StoredType) -> dict[str, bytes]:
    """Return the files of a text tokenizer, or of an encoder in the folder, whose matrices are stored as `dtype`."""
    if isinstance(text, TextTokenizer):
        return {PIECES_FILE: text.model}
    if text.carried is None:
        return {}
    return {ENCODER_FILE: pack(text.carried.params, dtype), PIECES_FILE: text.carried.pieces}


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
    if part is None or part.is_carried:
        if folder is not None:
            raise RequestError(f"the model carries what reads its words; load it without the text encoder {folder}")
        if part is not None:
            return _carried(part, params[ENCODER_FILE], files, PIECES_FILE, config.text_slots)
        text = opened_pieces(files[PIECES_FILE])
        if (pieces := text.vocabulary) > config.text_vocabulary:
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


def opened_pieces(model: bytes) -> TextTokenizer:
    """Return the text tokenizer of a model, from its `PIECES_FILE`; RequestError when that is damaged."""
    with _sound(model, PIECES_FILE):
        text = TextTokenizer(model)
        _ = text.vocabulary  # read here, so that damage shows
    return text


def _carried(
    part: TextEncoderPart, params: dict, files: Mapping[str, bytes], pieces: str, max_tokens: int
) -> TextEncoder:
    """Return an encoder that a model's folder holds."""
    with _sound(files[pieces], pieces):
        return text_encoders.KINDS[part.kind].open(params, files[pieces], part.hash, max_tokens=max_tokens)


@contextmanager
def _sound(model: bytes, file: str) -> Iterator[None]:
    """Turn an error of SentencePiece into a RequestError that names the damaged file."""
    try:
        if not model:
            raise RuntimeError("it is empty")  # SentencePiece would say so at the first word
        yield
    except (RuntimeError, UnicodeDecodeError) as error:  # its message may quote bytes of the file
        raise RequestError(f"{file} is not a vocabulary of SentencePiece; fetch the model again") from error


def prompt_retrieval_part(retrieval: PromptRetrieval, read: Text | None) -> PromptRetrievalPart:
    """Return what model.json says of prompt retrieval. `read` is the language model's encoder, stored only once."""
    encoder = part_of(retrieval.encoder)
    own = None if read is not None and part_of(read) == encoder else encoder
    return PromptRetrievalPart(
        captions=retrieval.captions,
        modifiers=retrieval.modifiers,
        names=retrieval.names,
        encoder=own,
    )


def stored_prompt_retrieval(retrieval: PromptRetrieval, read: Text | None, dtype: StoredType) -> dict[str, bytes]:
    """Return the files of prompt retrieval, and of its encoder unless that is the one of the language model."""
    files = {PROMPT_RETRIEVAL_FILE: pack(retrieval.params, dtype)}
    if prompt_retrieval_part(retrieval, read).encoder is None:
        return files
    if (carried := retrieval.encoder.carried) is None:
        raise RequestError("the model's folder holds the encoder of prompt retrieval; take a small one")
    return files | {RETRIEVAL_ENCODER_FILE: pack(carried.params, dtype), RETRIEVAL_PIECES_FILE: carried.pieces}


def opened_prompt_retrieval(
    part: PromptRetrievalPart, files: Mapping[str, bytes], params: Mapping[str, dict], read: Text | None
) -> PromptRetrieval:
    """Return the prompt retrieval of a model folder; `read` is the encoder of the language model.

    Raises:
        RequestError: its encoder embeds no sentences, or its pieces are damaged.
    """
    encoder = read
    if part.encoder is not None:
        if not part.encoder.is_carried:
            raise RequestError(f"{part.encoder.kind} is not an encoder that a model's folder can hold")
        encoder = _carried(part.encoder, params[RETRIEVAL_ENCODER_FILE], files, RETRIEVAL_PIECES_FILE, _LONGEST)
    if encoder is None or isinstance(encoder, TextTokenizer):
        raise RequestError("the prompt retrieval of the model has no sentence encoder; fetch the model again")
    return PromptRetrieval(part.captions, part.modifiers, params[PROMPT_RETRIEVAL_FILE], encoder, part.names)
