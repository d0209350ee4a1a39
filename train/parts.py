"""The language model that a training starts from: another training's folder, a model folder, or a shipped model.

In: where it is, and the sizes that are wanted. Out: its averaged parameters, and what its captions were read with.
"""

import contextlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from reelm.errors import RequestError
from reelm.lm.describer import Describer, DescriberConfig
from reelm.lm.net.config import LMConfig
from reelm.sampling.load import load
from reelm.sampling.parts import Defaults, LanguageModel
from reelm.storage.remote import fetched, is_remote
from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.tokenizer.audio.tokenizer import AudioTokenizer
from reelm.tokenizer.text.encoder import Text, TextEncoder
from reelm.tokenizer.text.open import load as load_encoder
from reelm.tokenizer.text.pieces import TextTokenizer
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.tokenizer import VideoTokenizer
from reelm.train.run.checkpoints import restore_params
from reelm.train.run.config_changes import differences

FOLDERS = ("start_from", "video_tokenizer", "audio_tokenizer", "text_encoder")


def open_lm(where: Path, text_encoder: Path | None) -> tuple[LanguageModel, Defaults, str, str | None]:
    """(language model, size of its clips, hash of its pictures' tokenizer, and of its sound's) of a run or a model."""
    if not (where / "checkpoints").is_dir():
        model = load(str(where), text_encoder=text_encoder)
        heard = (
            model.audio_tokenizer.hash if model.audio_tokenizer and model.language_model().config.sound_levels else None
        )
        return model.language_model(), model.defaults, model.video_tokenizer.hash, heard
    params, _, config = restore_params(where)
    if not config.get("token_sets"):
        raise RequestError(f"{where} holds the training of something else than a language model")
    sizes, token_set = LMConfig(**config["model"]), config["token_sets"][0]
    text: Text
    if sizes.text_width:
        text = load_encoder(fetched(Path(text_encoder or config["text_encoder"])), max_tokens=sizes.text_slots)
        check_encoder(text, config["text_encoder_hash"], where)
    else:
        text = TextTokenizer((where / TEXT_FILE).read_bytes())
    tasks = {bucket["task"] for stage in config["stages"] for bucket in stage["buckets"]}
    # The clips that most of the training was on.
    _, _, height, width = max(token_set["runs"])
    size = Defaults(height=height, width=width, fps=token_set["fps"])
    heard = token_set["sound"][0] if sizes.sound_levels else None
    return LanguageModel(sizes, params, text, tuple(sorted(tasks))), size, token_set["tokenizer_hash"], heard


def of_part(where: Path, part: str) -> dict[str, Any]:
    """The record of a training's folder, with those of the runs that it started from, or what a model says of a part.

    What is recorded: config, steps, and the last line of metrics.
    """
    if not (where / "checkpoints").is_dir():
        return load(str(where)).record.get(part, {})
    _, step, config = restore_params(where)
    before: dict[str, Any] = {}
    if start := config.get("start_from"):
        with contextlib.suppress(RequestError):  # what it was is lost with its folder
            before = {"started_from": of_part(Path(start), part)}
    # Folders by their names alone: where they stood means nothing elsewhere.
    config |= {name: Path(config[name]).name for name in FOLDERS if config.get(name)}
    config |= {"tokens": [Path(folder).name for folder in config["tokens"]]} if "tokens" in config else {}
    lines = (where / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return {"config": config, "steps": step, "last_metrics": json.loads(lines[-1]) if lines else {}, **before}


def open_audio_tokenizer(where: str | Path) -> AudioTokenizer:
    """The audio tokenizer of a training's folder (its averaged weights), of a model folder, or of a shipped model."""
    where = fetched(where)
    if not Path(where, "checkpoints").is_dir():
        if (there := load(str(where)).audio_tokenizer) is None:
            raise RequestError(f"the model {str(where)!r} has no audio tokenizer")
        return there
    params, _, config = restore_params(Path(where))
    if "strides" not in config.get("model", {}) or "tokenizer" not in params:
        raise RequestError(f"{where} holds the training of something else than an audio tokenizer")
    return AudioTokenizer(AudioTokenizerConfig(**config["model"]), params["tokenizer"], config.get("codes"))


def open_describer(where: str | Path) -> tuple[Describer, str | None]:
    """(the describer of a training's folder, a model folder or a shipped model, the hash of its codes' tokenizer)."""
    where = fetched(where)
    if not Path(where, "checkpoints").is_dir():
        model = load(str(where))
        if model.describer is None:
            raise RequestError(f"the model {str(where)!r} has no describer")
        return model.describer, model.video_tokenizer.hash
    params, _, config = restore_params(Path(where))
    if "words" not in config.get("model", {}):
        raise RequestError(f"{where} holds the training of something else than a describer")
    return Describer(DescriberConfig(**config["model"]), params), config["token_sets"][0]["tokenizer_hash"]


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


def open_tokenizer(where: str | Path) -> VideoTokenizer:
    """The video tokenizer of a training's folder (its averaged weights), of a model folder, or of a shipped model."""
    where = fetched(where) if is_remote(where) else where
    if Path(where, "checkpoints").is_dir():
        params, _, config = restore_params(Path(where))
        if "encoder_kernel" not in config.get("model", {}):
            raise RequestError(f"{where} holds the training of something else than a video tokenizer")
        return VideoTokenizer(VideoTokenizerConfig(**config["model"]), params, config.get("codes"))
    return load(str(where)).video_tokenizer


TEXT_FILE = "text.model"


def check_encoder(encoder: TextEncoder, trained_with: str, by: Path) -> None:
    """RequestError unless the training in the folder `by` read its captions through this very encoder."""
    if encoder.hash != trained_with:
        raise RequestError(
            f"{by} was trained with the text encoder {trained_with[:16]}, not {encoder.hash[:16]}; name the folder of "
            "that one"
        )
