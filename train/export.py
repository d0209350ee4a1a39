"""`reelm export`: the folders of trainings joined into one model folder."""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reelm.lm.config import LMConfig
from reelm.lm.words import Text
from reelm.sampling.model import Defaults, LanguageModel, Model
from reelm.sampling.model_folder import load
from reelm.sampling.weights import StoredType
from reelm.tokenizer.request import RequestError
from reelm.tokenizer.sentence_encoder import SentenceEncoder
from reelm.tokenizer.text import TextTokenizer
from reelm.tokenizer.text_encoder import load as load_encoder

from .audio_tokenizer import open_audio_tokenizer
from .checkpoints import restore_params
from .describer import open_describer
from .remote import fetched
from .thesaurus import fit, read_file
from .video_tokenizer import open_tokenizer
from .words import TEXT_FILE, check_encoder

_FOLDERS = ("start_from", "video_tokenizer", "audio_tokenizer", "text_encoder")


def export(
    video_tokenizer: Path,
    lm: Sequence[Path],
    output: Path,
    *,
    audio_tokenizer: Path | None = None,
    describer: Path | None = None,
    text_encoder: Path | None = None,
    thesaurus: Path | None = None,
    dtype: StoredType = "float32",
    cfg_scale: float = 1.0,
    min_p: float = 0.0,
    num_frames: int | None = None,
) -> Model:
    """Writes the averaged weights of the newest checkpoints as a model folder, with a record of all runs.

    Each part may be a training's folder, or a model, whose part it then is.

    lm: of several the mean of their weights is written, a model soup (arXiv 2203.05482): of runs that went on from one
    another it is often better than the last. () for a model that can reconstruct and tokenize, and not generate.
    text_encoder: folder of the frozen encoder that a language model reads; None for where it was in training. A small
    one goes along, a large one is named.
    thesaurus: file of other words for the captions of a model that reads a small encoder; see `train/thesaurus.py`.
    cfg_scale, min_p, num_frames: what `generate` uses where nothing is said; see `Defaults`.

    RequestError when a folder holds no training, language models are not of one kind, one was trained on codes of
    another tokenizer, or no clip has so many frames.
    """
    tokenizer = open_tokenizer(video_tokenizer)
    record: dict[str, Any] = {"video_tokenizer": _of_part(video_tokenizer, "video_tokenizer")}
    audio = None if audio_tokenizer is None else open_audio_tokenizer(audio_tokenizer)
    if audio_tokenizer is not None:
        record["audio_tokenizer"] = _of_part(audio_tokenizer, "audio_tokenizer")
    language_model, defaults = None, Defaults()
    if lm:
        language_model, size, made_by, heard_by = _mean_lm(lm, text_encoder)
        for what, where, its_hash, hash_ in (
            ("codes of", video_tokenizer, tokenizer.hash, made_by),
            ("sound of audio", audio_tokenizer, audio and audio.hash, heard_by),
        ):
            if None not in (hash_, its_hash) and its_hash != hash_:
                raise RequestError(
                    f"{lm[-1]} was trained on {what} tokenizer {hash_}, but {where} is {its_hash}; "
                    "tokenize the clips again and train on those"
                )
        length = size.num_frames if num_frames is None else num_frames
        defaults = replace(size, cfg_scale=cfg_scale, min_p=min_p, num_frames=length)
        tokenizer.config.latent_shape(defaults.num_frames, defaults.height, defaults.width)
        record["lm"] = _of_part(lm[-1], "lm")
        if len(lm) > 1:
            others = [_of_part(where, "lm").items() for where in lm[:-1]]
            # The last one's record says what led to it already.
            record["lm"]["averaged_with"] = [
                dict(item for item in each if item[0] != "started_from") for each in others
            ]
    reader = None
    if describer is not None:
        reader, made_by = open_describer(describer)
        if made_by != tokenizer.hash:
            raise RequestError(
                f"{describer} was trained on codes of tokenizer {made_by}, but {video_tokenizer} is {tokenizer.hash}; "
                "train a describer on its codes"
            )
        record["describer"] = _of_part(describer, "describer")
    other_words = None
    if thesaurus is not None:
        if language_model is None or not isinstance(language_model.text, SentenceEncoder):
            raise RequestError("a thesaurus serves a language model that reads its words through a sentence encoder")
        other_words = fit(language_model.text, *read_file(thesaurus))
    parts = {"audio_tokenizer": audio, "describer": reader, "thesaurus": other_words}
    model = Model(output.name, tokenizer, language_model, defaults, record, **parts)
    model.save(output, dtype=dtype)
    return model


def _mean_lm(lm: Sequence[Path], text_encoder: Path | None) -> tuple[LanguageModel, Defaults, str, str | None]:
    """As `_open_lm` gives the last of them, with the mean of the weights of all."""
    *others, last = (_open_lm(where, text_encoder) for where in lm)
    if not others:
        return last  # a large model need not be copied
    kind = lambda model, _, *made_by: (model.config, _reads(model.text), made_by)  # noqa: E731
    for where, other in zip(lm[:-1], others, strict=True):
        if kind(*other) != kind(*last):
            raise RequestError(
                f"{where} and {lm[-1]} differ in sizes, words or codes; only runs that went on from one another, or "
                "from the same one, have a mean"
            )
    every = [model.params for model, *_ in (*others, last)]
    params = jax.tree.map(lambda *leaves: np.mean([np.asarray(leaf, np.float32) for leaf in leaves], axis=0), *every)
    return (replace(last[0], params=params), *last[1:])


def _reads(text: Text) -> str | bytes:
    """What tells one reader of words from another."""
    return text.model if isinstance(text, TextTokenizer) else text.hash


def _open_lm(where: Path, text_encoder: Path | None) -> tuple[LanguageModel, Defaults, str, str | None]:
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


def _of_part(where: Path, part: str) -> dict[str, Any]:
    """The record of a training's folder, with those of the runs that it started from, or what a model says of a part.

    What is recorded: config, steps, and the last line of metrics.
    """
    if not (where / "checkpoints").is_dir():
        return load(str(where)).record.get(part, {})
    _, step, config = restore_params(where)
    before: dict[str, Any] = {}
    if start := config.get("start_from"):
        with contextlib.suppress(RequestError):  # what it was is lost with its folder
            before = {"started_from": _of_part(Path(start), part)}
    # Folders by their names alone: where they stood means nothing elsewhere.
    config |= {name: Path(config[name]).name for name in _FOLDERS if config.get(name)}
    config |= {"tokens": [Path(folder).name for folder in config["tokens"]]} if "tokens" in config else {}
    lines = (where / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return {"config": config, "steps": step, "last_metrics": json.loads(lines[-1]) if lines else {}, **before}
