"""The language model that a training starts from: another training's folder, a model folder, or a shipped model.

In: where it is, and the sizes that are wanted. Out: its averaged parameters, and what its captions were read with.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from reelm.lm.config import LMConfig
from reelm.sampling.model_folder import load
from reelm.tokenizer.request import RequestError
from reelm.tokenizer.text import TextTokenizer

from .checkpoints import restore_params
from .differences import differences
from .remote import fetched
from .words import TEXT_FILE


class Start(NamedTuple):
    """params: layers stacked. text: its SentencePiece model, or None where the encoder with `encoder_hash` read."""

    params: dict
    text: TextTokenizer | None
    encoder_hash: str


def open_start(where: str | Path, model: LMConfig) -> Start:
    """What is at `where`; RequestError unless it is a language model of these sizes, or of these but for some.

    A silent model may get sound: all that it knows stays of use. Lengths of prefix and clips may be others, for no
    parameter has them.
    """
    where = fetched(where)
    if Path(where, "checkpoints").is_dir():
        params, _, config = restore_params(Path(where))
        if not config.get("token_sets"):
            raise RequestError(f"{where} holds the training of something else than a language model")
        was, encoder_hash = config["model"], config.get("text_encoder_hash", "")
        text = None if encoder_hash else TextTokenizer(Path(where, TEXT_FILE).read_bytes())
    else:
        if (lm := load(str(where)).lm) is None:
            raise RequestError(f"the model {str(where)!r} has no language model")
        params, was = lm.params, asdict(lm.config)
        text, encoder_hash = (lm.text, "") if isinstance(lm.text, TextTokenizer) else (None, lm.text.hash)
    sizes: list[dict[str, Any]] = [json.loads(json.dumps(config)) for config in (was, asdict(model))]
    if not sizes[0]["sound_levels"]:
        sizes = [{name: v for name, v in config.items() if not name.startswith("sound_")} for config in sizes]
    sizes = [{name: v for name, v in config.items() if name not in ("prefix", "frames")} for config in sizes]
    if changed := list(differences(sizes[0], sizes[1])):
        raise RequestError(f"{where} is no language model of these sizes: {'; '.join(changed)}")
    return Start(params, text, encoder_hash)
