"""`reelm export`: join the folders of trainings into one model folder."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reelm.data.tokens.tokenize import scale_of
from reelm.errors import RequestError
from reelm.lm.describer import Describer
from reelm.lm.language_model import LanguageModel
from reelm.sampling.model import Model
from reelm.sampling.options import Defaults
from reelm.storage.tensors import StoredType
from reelm.tokenizer import text_encoders
from reelm.tokenizer.audio.tokenizer import AudioTokenizer
from reelm.tokenizer.text.pieces import TextTokenizer
from reelm.tokenizer.text.prompt_retrieval import PromptRetrieval
from reelm.tokenizer.video.tokenizer import VideoTokenizer
from reelm.train.lm.prompt_retrieval import fit, read_file

from .draws import check_draws
from .parts import OpenedLM, open_audio_tokenizer, open_describer, open_lm, open_upscaler, open_video_tokenizer
from .records import has_best, part_record
from .stages import STAGES, StageName


@dataclass(frozen=True, kw_only=True)
class ExportPlan:
    """The contents of a model folder: where each part is, and the defaults of the model.

    A part is the folder of a training, or a model that has the part.
    """

    video_tokenizer: Path
    lm: Sequence[Path] = ()
    """Language models. The weights of several are averaged to a model soup (arXiv 2203.05482): for runs that continue
    one another it is often better than the last. () for a model that only reconstructs and tokenizes."""
    specialists: Sequence[Path] = ()
    """Further language models, for requests that `lm` was not trained for. They are not averaged."""
    audio_tokenizer: Path | None = None
    describer: Path | None = None
    upscaler: Path | None = None
    text_encoder: Path | None = None
    """Folder of the frozen encoder that a language model reads; None for the folder used in training. A small encoder
    is copied; of a large one only the name is stored."""
    prompt_retrieval: Path | None = None
    """File of synonyms for the captions; see `lm/prompt_retrieval.py`. None keeps that of the model in `lm`."""
    prompt_retrieval_encoder: Path | None = None
    """Folder of the sentence encoder of prompt retrieval; None for the encoder that the language model reads."""
    dtype: StoredType = "float32"
    """Number format of the stored weights."""
    differences: bool = False
    """Whether specialists are stored as four-bit differences from the language model."""
    cfg_scale: float = 1.0
    """Default guidance scale; see `Defaults`, as for the following."""
    sound_cfg_scale: float | None = None
    motion_cfg_scale: float | None = None
    min_p: tuple[float, ...] = (0.0,)
    motion_min_p: tuple[float, ...] | None = None
    cfg_min_p: float = 0.0
    overlap: float | None = None
    """Default overlap of windows; None for a second, or for half a window where that is shorter."""
    num_frames: int | None = None
    """Default number of frames; None for that of the training."""
    check_draws: bool = True
    """Whether to generate a few clips with the language model, and to refuse it if they are noise; see `draws.py`."""
    best: tuple[StageName, ...] | None = None
    """Parts that use their best checkpoint; () for every training with evaluations. All others use the newest, and None
    means the newest for all."""

    @cached_property
    def evaluated(self) -> frozenset[Path]:
        """The folders whose best checkpoint is used; RequestError when a part in `best` has none."""
        if self.best is None:
            return frozenset()
        parts = {
            "video-tokenizer": (self.video_tokenizer,),
            "audio-tokenizer": (self.audio_tokenizer,),
            "lm": (*self.lm, *self.specialists),
            "describer": (self.describer,),
            "upscaler": (self.upscaler,),
        }
        asked = [where for name in self.best or parts for where in parts[name] if where is not None]
        evaluated = frozenset(where for where in asked if has_best(where))
        if not evaluated or (self.best and len(evaluated) < len(set(asked))):
            without = next((where for where in asked if where not in evaluated), "this export")
            raise RequestError(f"{without} has no evaluations, so no best checkpoint; train with loop.evaluate_every")
        return evaluated

    def record(self, where: Path, stage: StageName) -> dict[str, Any]:
        """Return what the model folder records of the training in `where`: its config, steps and last metrics."""
        return part_record(where, STAGES[stage].key, best=where in self.evaluated)


def export(plan: ExportPlan, output: Path) -> Model:
    """Write the averaged weights of trainings as the model folder `output`, with a record of all runs.

    Raises:
        RequestError: a folder holds another training; language models differ in kind; one was trained on codes of
            another tokenizer or generates noise; no clip has the number of frames; `best` is set and no training has
            evaluations; or prompt retrieval has an encoder but no file.
    """
    if plan.prompt_retrieval is None and plan.prompt_retrieval_encoder is not None:
        raise RequestError("a prompt_retrieval_encoder needs a file of synonyms; name it, too (--prompt-retrieval)")
    tokenizer = open_video_tokenizer(plan.video_tokenizer, best=plan.video_tokenizer in plan.evaluated)
    record = {"video_tokenizer": plan.record(plan.video_tokenizer, "video-tokenizer")}
    audio = reader = lm = retrieval = upscaler = None
    defaults = Defaults()
    # These records come before those of language models, whose data the model card names as the model's.
    if plan.describer is not None:
        reader = _describer(plan, plan.describer, tokenizer)
        record["describer"] = plan.record(plan.describer, "describer")
    if plan.upscaler is not None:
        upscaler = open_upscaler(plan.upscaler, best=plan.upscaler in plan.evaluated)
        record["upscaler"] = plan.record(plan.upscaler, "upscaler")
    if plan.audio_tokenizer is not None:
        audio = open_audio_tokenizer(plan.audio_tokenizer, best=plan.audio_tokenizer in plan.evaluated)
        record["audio_tokenizer"] = plan.record(plan.audio_tokenizer, "audio-tokenizer")
    if plan.lm:
        opened = _drawn_by(tokenizer, _mean_lm(plan))
        _check_codes(plan, plan.lm[-1], opened, tokenizer, audio)
        lm, retrieval, defaults = opened.model, opened.prompt_retrieval, _defaults(plan, opened, tokenizer)
        record["lm"] = _lm_record(plan)
    specialists = [_specialist(plan, where, tokenizer, audio, lm) for where in plan.specialists]
    trained = ["lm", *(f"specialist_{number}" for number, _ in enumerate(specialists, 1))]
    record |= {name: plan.record(where, "lm") for name, where in zip(trained[1:], plan.specialists, strict=True)}
    if plan.prompt_retrieval is not None:
        lm, retrieval = _with_prompt_retrieval(plan.prompt_retrieval, plan.prompt_retrieval_encoder, lm)
    parts = {"audio_tokenizer": audio, "describer": reader, "prompt_retrieval": retrieval, "upscaler": upscaler}
    model = Model(output.name, tokenizer, lm, defaults, record, **parts)
    if lm is not None and plan.check_draws:
        for each, name, where in zip((lm, *specialists), trained, (plan.lm[-1], *plan.specialists), strict=True):
            check_draws(replace(model, lm=each), record[name].get("last_metrics", {}), where)
    model = replace(model, specialists=tuple(specialists))
    model.save(output, dtype=plan.dtype, differences=plan.differences)
    return model


def _drawn_by(tokenizer: VideoTokenizer, opened: OpenedLM) -> OpenedLM:
    """Return a language model whose picture sizes are those of this tokenizer, for the same number of codes."""

    def drawn(height: int, width: int) -> tuple[int, int]:
        return height * scale_of(tokenizer) // opened.scale, width * scale_of(tokenizer) // opened.scale

    lm, (height, width) = opened.model, drawn(opened.size.height, opened.size.width)
    domain = replace(lm.training_domain, sizes=tuple(drawn(*size) for size in lm.training_domain.sizes))
    size = replace(opened.size, height=height, width=width)
    return opened._replace(model=replace(lm, training_domain=domain), size=size, scale=scale_of(tokenizer))


def _defaults(plan: ExportPlan, opened: OpenedLM, tokenizer: VideoTokenizer) -> Defaults:
    """Return the defaults of the model; RequestError when no clip can have that shape."""
    defaults = replace(
        opened.size,
        cfg_scale=plan.cfg_scale,
        sound_cfg_scale=plan.sound_cfg_scale,
        motion_cfg_scale=plan.motion_cfg_scale,
        min_p=plan.min_p,
        motion_min_p=plan.motion_min_p,
        cfg_min_p=plan.cfg_min_p,
        overlap=_overlap(opened, tokenizer) if plan.overlap is None else plan.overlap,
        num_frames=opened.size.num_frames if plan.num_frames is None else plan.num_frames,
    )
    tokenizer.config.latent_shape(defaults.num_frames, defaults.height, defaults.width)
    return defaults


def _check_codes(
    plan: ExportPlan, trained: Path, opened: OpenedLM, tokenizer: VideoTokenizer, audio: AudioTokenizer | None
) -> None:
    """Raise RequestError unless the language model of a training was trained on codes of these tokenizers."""
    for codes, where, exported, trained_on in (
        ("codes of", plan.video_tokenizer, tokenizer.hash, opened.video_hash),
        ("sound of audio", plan.audio_tokenizer, audio and audio.hash, opened.audio_hash),
    ):
        if None not in (trained_on, exported) and exported != trained_on:
            raise RequestError(
                f"{trained} was trained on {codes} tokenizer {trained_on}, but {where} is {exported}; "
                "tokenize the clips again and train on those"
            )


def _specialist(
    plan: ExportPlan, where: Path, tokenizer: VideoTokenizer, audio: AudioTokenizer | None, lm: LanguageModel | None
) -> LanguageModel:
    """Return a specialist; RequestError unless it fits the tokenizers and reads the words of the language model."""
    if lm is None:
        raise RequestError("a specialist stands beside a language model; name one (--lm)")
    opened = _drawn_by(tokenizer, open_lm(where, plan.text_encoder, best=where in plan.evaluated))
    _check_codes(plan, where, opened, tokenizer, audio)
    if _reader(opened.model) != _reader(lm):
        raise RequestError(f"{where} reads other pieces of text than {plan.lm[-1]}; train it from there (--start-from)")
    return replace(opened.model, text=lm.text)


def _overlap(opened: OpenedLM, tokenizer: VideoTokenizer) -> float:
    """Return the default overlap of windows in seconds."""
    half = max(opened.model.config.frames // 2, 1) * tokenizer.config.time_stride
    return min(Defaults.overlap, half / opened.size.fps)


def _lm_record(plan: ExportPlan) -> dict[str, Any]:
    *others, last = (plan.record(where, "lm") for where in plan.lm)
    if not others:
        return last
    # The record of the last run already holds the earlier runs.
    without = [{name: value for name, value in each.items() if name != "started_from"} for each in others]
    return {**last, "averaged_with": without}


def _describer(plan: ExportPlan, where: Path, tokenizer: VideoTokenizer) -> Describer:
    """Return the describer; RequestError unless it was trained on codes of this tokenizer."""
    reader, trained_on = open_describer(where, best=where in plan.evaluated)
    if trained_on != tokenizer.hash:
        raise RequestError(
            f"{where} was trained on codes of tokenizer {trained_on}, but {plan.video_tokenizer} is "
            f"{tokenizer.hash}; train a describer on its codes"
        )
    return reader


def _with_prompt_retrieval(
    path: Path, encoder: Path | None, lm: LanguageModel | None
) -> tuple[LanguageModel, PromptRetrieval]:
    """Return the language model, whose training domain gets a least similarity, and the prompt retrieval of a file."""
    if lm is None:
        raise RequestError("prompt retrieval needs a language model; name one (--lm)")
    retrieval, least = fit(lm.text if encoder is None else text_encoders.load(encoder), read_file(path))
    domain = replace(lm.training_domain, similarity=least)
    return replace(lm, training_domain=domain), retrieval


def _mean_lm(plan: ExportPlan) -> OpenedLM:
    """Return the last language model with the mean weights of all."""
    lm, encoder = plan.lm, plan.text_encoder
    *others, last = (open_lm(where, encoder, best=where in plan.evaluated) for where in lm)
    if not others:
        return last  # saves a copy of a large model
    for where, other in zip(lm[:-1], others, strict=True):
        if _kind(other) != _kind(last):
            raise RequestError(
                f"{where} and {lm[-1]} differ in sizes, words or codes; only runs that continue one another, or the "
                "same run, can be averaged"
            )
    every = [opened.model.params for opened in (*others, last)]
    params = jax.tree.map(lambda *leaves: np.mean([np.asarray(leaf, np.float32) for leaf in leaves], axis=0), *every)
    return last._replace(model=replace(last.model, params=params))


def _kind(opened: OpenedLM) -> tuple[Any, ...]:
    """Return what language models must share to be averaged: sizes, text reader and codes."""
    return opened.model.config, _reader(opened.model), opened.video_hash, opened.audio_hash


def _reader(lm: LanguageModel) -> bytes | str:
    """Return an identity of the text reader of a language model."""
    return lm.text.model if isinstance(lm.text, TextTokenizer) else lm.text.hash
