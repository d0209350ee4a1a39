"""Write a model folder."""

import hashlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from reelm.lm.language_model import LanguageModel
from reelm.sampling.parts import ModelParts
from reelm.storage.atomic import check_folder, replacing_together, write_json
from reelm.storage.tensors import StoredType, pack, unpack

from . import text_parts
from .card import card
from .info import info
from .manifest import AUDIO_FILE, CARD, DESCRIBER_FILE, FORMAT, LM_FILE, MANIFEST, UPSCALER_FILE, VIDEO_FILE, lm_files
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
    files = {VIDEO_FILE: pack(model.video_tokenizer.params, dtype)}
    parts: dict[str, Any] = {
        "video_tokenizer": {"config": asdict(model.video_tokenizer.config), "hash": model.video_tokenizer.hash}
    }
    if model.audio_tokenizer is not None:
        files[AUDIO_FILE] = pack(model.audio_tokenizer.params, dtype)
        parts["audio_tokenizer"] = {
            "config": asdict(model.audio_tokenizer.config),
            "hash": model.audio_tokenizer.hash,
        }
    if model.lm is not None:
        named, text = text_parts.stored(model.lm.text, dtype)
        files |= {LM_FILE: pack(model.lm.params, dtype)} | text
        base = unpack(files[LM_FILE], LM_FILE) if differences else None
        for file, lm in zip(lm_files(1 + len(model.specialists))[1:], model.specialists, strict=True):
            files[file] = pack(lm.params, dtype, base=base)
        parts |= {"lm": _about(model.lm), **named}
        if model.specialists:
            parts["specialists"] = [_about(each) for each in model.specialists]
    if model.describer is not None:
        files[DESCRIBER_FILE] = pack(model.describer.params, dtype)
        parts["describer"] = {"config": asdict(model.describer.config)}
    if model.thesaurus is not None:
        named, text = text_parts.stored_thesaurus(model.thesaurus, model.lm and model.lm.text, dtype)
        files, parts = files | text, parts | named
    if model.upscaler is not None:
        files[UPSCALER_FILE] = pack(model.upscaler.params, dtype)
        parts["upscaler"] = {"config": asdict(model.upscaler.config)}
    manifest = {
        "format": FORMAT,
        "dtype": dtype,
        "parts": parts,
        "defaults": asdict(model.defaults),
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        "record": model.record,
    }
    files[CARD] = card(info(replace(model, name=folder.name))).encode()
    with replacing_together(folder, last=MANIFEST) as staging:
        for name, data in files.items():
            (staging / name).write_bytes(data)
        write_json(staging / MANIFEST, manifest)
    remember(folder)


def _about(lm: LanguageModel) -> dict[str, Any]:
    """Return the part of a language model in model.json."""
    return {"config": asdict(lm.config), "tasks": lm.tasks, "scope": asdict(lm.scope)}
