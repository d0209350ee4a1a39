"""`reelm export`: the folders of trainings joined into one model folder."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reelm.errors import RequestError
from reelm.sampling.model import Model
from reelm.sampling.parts import Defaults, LanguageModel
from reelm.storage.tensors import StoredType
from reelm.tokenizer.text.encoder import Text
from reelm.tokenizer.text.pieces import TextTokenizer
from reelm.tokenizer.text.sentence_encoder import SentenceEncoder
from reelm.train.lm.thesaurus import fit, read_file

from .parts import of_part, open_audio_tokenizer, open_describer, open_lm, open_tokenizer


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
    record: dict[str, Any] = {"video_tokenizer": of_part(video_tokenizer, "video_tokenizer")}
    audio = None if audio_tokenizer is None else open_audio_tokenizer(audio_tokenizer)
    if audio_tokenizer is not None:
        record["audio_tokenizer"] = of_part(audio_tokenizer, "audio_tokenizer")
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
        record["lm"] = of_part(lm[-1], "lm")
        if len(lm) > 1:
            others = [of_part(where, "lm").items() for where in lm[:-1]]
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
        record["describer"] = of_part(describer, "describer")
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
    *others, last = (open_lm(where, text_encoder) for where in lm)
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
