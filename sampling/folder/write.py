"""Write a model folder."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from reelm.sampling.parts import ModelParts
from reelm.storage.atomic import check_folder, replacing_together, write_json
from reelm.storage.tensors import StoredType, flattened, pack, unpack
from reelm.tokenizer.text.pieces import TextTokenizer

from . import text_parts
from .card import card
from .info import info
from .manifest import (
    AUDIO_FILE,
    CARD,
    DESCRIBER_FILE,
    FORMAT,
    LM_FILE,
    MANIFEST,
    PIECES_FILE,
    UPSCALER_FILE,
    VIDEO_FILE,
    AudioPart,
    DescriberPart,
    LMPart,
    Manifest,
    Parts,
    UpscalerPart,
    VideoPart,
    lm_files,
)
from .shapes import remember


def write(model: ModelParts, directory: str | Path, *, dtype: StoredType, differences: bool = False) -> None:
    """Write a model folder that `reelm.load` reads. An older model there stays until this one is complete.

    Args:
        model: what to write.
        directory: the folder; it is made if missing.
        dtype: number format of the stored matrices.
        differences: whether specialists are stored as four-bit differences from the language model.

    Raises:
        RequestError: the folder cannot be written, or another `dtype`.
        OSError: the disk is full.
    """
    folder = check_folder(directory)
    params, specialists = parameters_of(model), lm_files(len(model.language_models))[1:]
    files = {file: pack(each, dtype) for file, each in params.items() if file not in specialists}
    base = unpack(files[LM_FILE], LM_FILE) if differences and specialists else None
    files |= {file: pack(params[file], dtype, base=base) for file in specialists}
    if model.lm is not None:
        files |= text_parts.stored(model.lm.text, dtype)
    if model.prompt_retrieval is not None:
        files |= text_parts.stored_prompt_retrieval(model.prompt_retrieval, model.lm and model.lm.text, dtype)
    manifest = manifest_of(model, dtype, {name: hashlib.sha256(data).hexdigest() for name, data in files.items()})
    files[CARD] = card(info(folder.name, manifest, counts(model))).encode()
    with replacing_together(folder, last=MANIFEST) as staging:
        for name, data in files.items():
            (staging / name).write_bytes(data)
        write_json(staging / MANIFEST, {"format": FORMAT, **asdict(manifest)})
    remember(folder)


def about(model: ModelParts) -> dict[str, Any]:
    """Return the description of a model; see `info`."""
    return info(model.name, manifest_of(model, "float32", {}), counts(model))


def manifest_of(model: ModelParts, dtype: StoredType, files: Mapping[str, str]) -> Manifest:
    """Return the manifest of a model that is stored in files of these digests."""
    audio, lm, describer, upscaler = model.audio_tokenizer, model.lm, model.describer, model.upscaler
    retrieval = model.prompt_retrieval
    lms = [
        LMPart(config=each.config, tasks=each.tasks, training_domain=each.training_domain)
        for each in model.language_models
    ]
    parts = Parts(
        video_tokenizer=VideoPart(config=model.video_tokenizer.config, hash=model.video_tokenizer.hash),
        audio_tokenizer=audio and AudioPart(config=audio.config, hash=audio.hash),
        lm=lms[0] if lms else None,
        specialists=tuple(lms[1:]),
        text_encoder=lm and text_parts.part_of(lm.text),
        describer=describer and DescriberPart(config=describer.config),
        prompt_retrieval=retrieval and text_parts.prompt_retrieval_part(retrieval, lm and lm.text),
        upscaler=upscaler and UpscalerPart(config=upscaler.config),
    )
    return Manifest(dtype=dtype, parts=parts, defaults=model.defaults, files=files, record=model.record)


def parameters_of(model: ModelParts) -> dict[str, dict]:
    """Return the parameters of each trained part of a model, by the name of its file."""
    lms = model.language_models
    others = {AUDIO_FILE: model.audio_tokenizer, DESCRIBER_FILE: model.describer, UPSCALER_FILE: model.upscaler}
    return {
        VIDEO_FILE: model.video_tokenizer.params,
        **{file: lm.params for file, lm in zip(lm_files(len(lms)), lms, strict=True)},
        **{file: part.params for file, part in others.items() if part is not None},
    }


def counts(model: ModelParts) -> dict[str, int]:
    """Return the number of parameters, or pieces, in each file of a model; see `info`."""
    found = {file: sum(map(np.size, flattened(each).values())) for file, each in parameters_of(model).items()}
    if model.lm is not None and isinstance(model.lm.text, TextTokenizer):
        found[PIECES_FILE] = model.lm.text.vocabulary
    return found
