"""The kinds of text encoders, and how the folder of each is opened."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from reelm.errors import RequestError
from reelm.storage.fields import read_json, shown
from reelm.tokenizer.text import multilingual_encoder, sentence_encoder, t5
from reelm.tokenizer.text.encoder import CONFIG_FILE, TextEncoder
from reelm.tokenizer.text.llm import encoder as llm
from reelm.tokenizer.text.llm.config import FAMILIES

EncoderKind = Literal[
    "universal-sentence-encoder-lite", "universal-sentence-encoder-multilingual", "t5", "language-model"
]


class CarriedKind(NamedTuple):
    """A kind of encoder that a model folder carries.

    open: (params, pieces, hash, *, max_tokens) -> the encoder.
    forward: (params, ids, mask) -> what the net makes of them; raises where parameters do not fit it.
    """

    open: Callable[..., TextEncoder]
    forward: Callable[[dict, Any, Any], Any]


class Kind(NamedTuple):
    """A kind of encoder.

    name: in messages.
    load: opens its folder.
    carried: how a model folder opens it; None for an encoder that a model folder only names.
    """

    name: str
    load: Callable[..., TextEncoder]
    carried: CarriedKind | None = None


KINDS: dict[str, Kind] = {
    t5.MODEL_TYPE: Kind("T5", t5.load),
    llm.MODEL_TYPE: Kind("language model", llm.load),
    sentence_encoder.MODEL_TYPE: Kind(
        "sentence encoder",
        sentence_encoder.load,
        CarriedKind(sentence_encoder.SentenceEncoder, sentence_encoder.forward),
    ),
    multilingual_encoder.MODEL_TYPE: Kind(
        "multilingual sentence encoder",
        multilingual_encoder.load,
        CarriedKind(multilingual_encoder.MultilingualEncoder, multilingual_encoder.forward),
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
        RequestError: no such folder, or another model in it.
    """
    path = Path(folder) / CONFIG_FILE
    try:
        config = read_json(path)
    except RequestError as error:
        raise RequestError(f"no text encoder can be read from {folder}: {error}; name a folder with one") from error
    kind = config.get("model_type") if isinstance(config, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        pointed = isinstance(kind, str) and kind.removesuffix("_text") in FAMILIES
        how = "; point to it with `python -m reelm.tokenizer.text.llm.point`" if pointed else ""
        raise RequestError(f"{path} describes {shown(kind)}; the text encoders known here are {', '.join(KINDS)}{how}")
    return KINDS[kind].load(Path(folder), max_tokens=max_tokens)
