"""Write a model folder."""

import hashlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from reelm.sampling.parts import ModelParts
from reelm.storage.atomic import write_bytes, write_json
from reelm.storage.tensors import StoredType, pack

from . import text_parts
from .card import card
from .info import info
from .read import AUDIO_FILE, CARD, DESCRIBER_FILE, FORMAT, LM_FILE, MANIFEST, THESAURUS_FILE, VIDEO_FILE


def write(model: ModelParts, directory: str | Path, *, dtype: StoredType) -> None:
    """Write a model folder that `reelm.load` reads; `dtype` is that of the stored matrices."""
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
        files |= {LM_FILE: pack(model.lm.params, dtype), **text}
        parts |= {"lm": {"config": asdict(model.lm.config), "tasks": model.lm.tasks}, **named}
    if model.describer is not None:
        files[DESCRIBER_FILE] = pack(model.describer.params, dtype)
        parts["describer"] = {"config": asdict(model.describer.config)}
    if model.thesaurus is not None:
        files[THESAURUS_FILE] = pack(model.thesaurus.params, dtype)
        parts["thesaurus"] = {"captions": model.thesaurus.captions, "modifiers": model.thesaurus.modifiers}
    manifest = {
        "format": FORMAT,
        "dtype": dtype,
        "parts": parts,
        "defaults": asdict(model.defaults),
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        "record": model.record,
    }
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    files[CARD] = card(info(replace(model, name=folder.resolve().name))).encode()
    # The manifest comes last: a folder without one is no model, so a broken write is never mistaken for one.
    for name, data in files.items():
        write_bytes(folder / name, data)
    write_json(folder / MANIFEST, manifest)
