"""`reelm export`: the folders of trainings joined into one model folder."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reelm.errors import RequestError
from reelm.sampling.model import Model
from reelm.sampling.parts import Defaults
from reelm.storage.tensors import StoredType
from reelm.tokenizer.text.pieces import TextTokenizer
from reelm.tokenizer.text.sentence_encoder import SentenceEncoder
from reelm.train.lm.thesaurus import fit, least_likeness, read_file

from .parts import OpenedLM, open_audio_tokenizer, open_describer, open_lm, open_video_tokenizer
from .records import has_best, part_record


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
    sound_cfg_scale: float | None = None,
    min_p: float = 0.0,
    cfg_min_p: float = 0.0,
    num_frames: int | None = None,
    best: bool = False,
) -> Model:
    """Write the averaged weights of trainings as a model folder, with a record of all runs.

    Args:
        video_tokenizer: folder of a training, or a model that has this part; the other parts likewise.
        lm: of several the mean of their weights is written, a model soup (arXiv 2203.05482): of runs that continue one
            another it is often better than the last. () for a model that only reconstructs and tokenizes.
        output: the folder to write.
        audio_tokenizer: see `video_tokenizer`.
        describer: see `video_tokenizer`.
        text_encoder: folder of the frozen encoder that a language model reads; None for the folder used in training. A
            small encoder is copied, a large one is named.
        thesaurus: file of other words for the captions of a model that reads a small encoder; see `lm/thesaurus.py`.
        dtype: number format of the stored weights.
        cfg_scale: default guidance scale; see `Defaults`.
        sound_cfg_scale: the same where sound is all that is given.
        min_p: default of `min_p`; see `Defaults`.
        cfg_min_p: default of `cfg_min_p`; see `Defaults`.
        num_frames: default number of frames; see `Defaults`.
        best: take the best checkpoint of every training with evaluations, and the newest of all others.

    Raises:
        RequestError: a folder holds no such training, language models are not of one kind, one was trained on codes of
            another tokenizer, no clip has so many frames, or `best` is set and no training has evaluations.
    """
    given = [where for where in (video_tokenizer, audio_tokenizer, describer, *lm) if where is not None]
    evaluated = {where for where in given if best and has_best(where)}
    if best and not evaluated:
        raise RequestError(f"{given[0]} holds no evaluation to be best by; train with loop.evaluate_every")
    tokenizer = open_video_tokenizer(video_tokenizer, best=video_tokenizer in evaluated)
    record: dict[str, Any] = {
        "video_tokenizer": part_record(video_tokenizer, "video_tokenizer", best=video_tokenizer in evaluated)
    }
    audio = (
        None if audio_tokenizer is None else open_audio_tokenizer(audio_tokenizer, best=audio_tokenizer in evaluated)
    )
    if audio_tokenizer is not None:
        record["audio_tokenizer"] = part_record(audio_tokenizer, "audio_tokenizer", best=audio_tokenizer in evaluated)
    language_model, defaults = None, Defaults()
    if lm:
        language_model, size, video_hash, audio_hash = _mean_lm(lm, text_encoder, evaluated)
        for codes, where, exported, trained_on in (
            ("codes of", video_tokenizer, tokenizer.hash, video_hash),
            ("sound of audio", audio_tokenizer, audio and audio.hash, audio_hash),
        ):
            if None not in (trained_on, exported) and exported != trained_on:
                raise RequestError(
                    f"{lm[-1]} was trained on {codes} tokenizer {trained_on}, but {where} is {exported}; "
                    "tokenize the clips again and train on those"
                )
        length = size.num_frames if num_frames is None else num_frames
        defaults = replace(
            size,
            cfg_scale=cfg_scale,
            sound_cfg_scale=sound_cfg_scale,
            min_p=min_p,
            cfg_min_p=cfg_min_p,
            num_frames=length,
        )
        tokenizer.config.latent_shape(defaults.num_frames, defaults.height, defaults.width)
        record["lm"] = part_record(lm[-1], "lm", best=lm[-1] in evaluated)
        if len(lm) > 1:
            others = [part_record(where, "lm", best=where in evaluated) for where in lm[:-1]]
            # The record of the last one already holds the runs before it.
            record["lm"]["averaged_with"] = [
                {name: value for name, value in each.items() if name != "started_from"} for each in others
            ]
    reader = None
    if describer is not None:
        reader, trained_on = open_describer(describer, best=describer in evaluated)
        if trained_on != tokenizer.hash:
            raise RequestError(
                f"{describer} was trained on codes of tokenizer {trained_on}, but {video_tokenizer} is "
                f"{tokenizer.hash}; train a describer on its codes"
            )
        record["describer"] = part_record(describer, "describer", best=describer in evaluated)
    other_words = None
    if thesaurus is not None:
        if language_model is None or not isinstance(language_model.text, SentenceEncoder):
            raise RequestError("a thesaurus serves a language model that reads its words through a sentence encoder")
        captions, modifiers = read_file(thesaurus)
        other_words = fit(language_model.text, captions, modifiers)
        scope = replace(language_model.scope, likeness=least_likeness(other_words, language_model.text, captions))
        language_model = replace(language_model, scope=scope)
    parts = {"audio_tokenizer": audio, "describer": reader, "thesaurus": other_words}
    model = Model(output.name, tokenizer, language_model, defaults, record, **parts)
    model.save(output, dtype=dtype)
    return model


def _mean_lm(lm: Sequence[Path], text_encoder: Path | None, evaluated: set[Path]) -> OpenedLM:
    """Return the last of these language models, with the mean of the weights of all; of `evaluated` ones the best."""
    *others, last = (open_lm(where, text_encoder, best=where in evaluated) for where in lm)
    if not others:
        return last  # a large model need not be copied
    for where, other in zip(lm[:-1], others, strict=True):
        if _kind(other) != _kind(last):
            raise RequestError(
                f"{where} and {lm[-1]} differ in sizes, words or codes; only runs that went on from one another, or "
                "from the same one, have a mean"
            )
    every = [opened.model.params for opened in (*others, last)]
    params = jax.tree.map(lambda *leaves: np.mean([np.asarray(leaf, np.float32) for leaf in leaves], axis=0), *every)
    return last._replace(model=replace(last.model, params=params))


def _kind(opened: OpenedLM) -> tuple[Any, ...]:
    """Return what language models with a mean have in common: sizes, reader of words, and codes."""
    text = opened.model.text
    reader = text.model if isinstance(text, TextTokenizer) else text.hash
    return opened.model.config, reader, opened.video_hash, opened.audio_hash
