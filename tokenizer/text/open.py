"""Open the folder of a text encoder, whichever kind it holds."""

from pathlib import Path

from reelm.errors import RequestError
from reelm.storage.fields import read_json, shown

from . import sentence_encoder, t5
from .encoder import CONFIG_FILE, TextEncoder


def load(folder: Path, *, max_tokens: int = 64) -> TextEncoder:
    """Open the encoder that a folder holds, by the `model_type` of its config.json.

    Args:
        folder: of a published T5 checkpoint (config.json, *.safetensors, spiece.model), or one that
            `convert_sentence_encoder.py` wrote.
        max_tokens: rows of an embedding; VideoPoet takes 64 of T5 (arXiv 2312.14125, section 3.1).

    Raises:
        RequestError: no such folder, or another model in it.
    """
    path = Path(folder) / CONFIG_FILE
    try:
        config = read_json(path)
    except RequestError as error:
        raise RequestError(f"no text encoder can be read from {folder}: {error}; name a folder with one") from error
    loaders = {"t5": t5.load, sentence_encoder.MODEL_TYPE: sentence_encoder.load}
    kind = config.get("model_type") if isinstance(config, dict) else None
    if not isinstance(kind, str) or kind not in loaders:
        raise RequestError(f"{path} describes {shown(kind)}; the text encoders known here are {', '.join(loaders)}")
    return loaders[kind](Path(folder), max_tokens=max_tokens)
